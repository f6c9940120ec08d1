import 'reflect-metadata';
import { createRequire } from 'node:module';
import { exitOnFailure, stopOnSignals } from './app.process.js';

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
  return app;
})();
stopOnSignals(starting);
exitOnFailure(starting);
