import 'reflect-metadata';
import { announce, exitOnFailure, stopOnSignals } from './app.run.js';
import { createApp, listen } from './app.setup.js';
import { loadConfig } from './config/load-config.js';

const starting = (async () => {
  const config = loadConfig();
  const app = await createApp(config);
  await listen(app, config);
  announce(app, config);
  return app;
})();
stopOnSignals(starting);
exitOnFailure(starting);
