import { Command } from 'commander';

/** `signalbox serve`: the service itself, the same as `node dist/main.js`. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('run the service: broker, database and REST API (settings: docs/configuration.md)')
    .action(async () => {
      await import('../main.js');
    });
}
