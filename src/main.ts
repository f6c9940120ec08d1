import 'reflect-metadata';
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { exitOnFailure, stopOnSignals } from './app.process.js';

// What is loaded at the start stays, and V8 would take it for a load that needs a young generation of 32 MiB (decision 23).
setFlagsFromString('--semi-space-growth-factor=1');
const starting = (async () => {
  // Loads all modules one after the other: import opens their files at once, which a limit of 256 descriptors does not allow.
  createRequire(import.meta.url)('./app.setup.js');
  const { createApp, listen } = await import('./app.setup.js');
  const { announce } = await import('./app.announce.js');
  const { loadConfig } = await import('./config/load-config.js');
  const config = loadConfig();
  const app = await createApp(config);
  await listen(app, config);
  announce(app, config);
  // As it comes.
  setFlagsFromString('--semi-space-growth-factor=2');
  return app;
})();
stopOnSignals(starting);
exitOnFailure(starting);
