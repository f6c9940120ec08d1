import type { INestApplication } from '@nestjs/common';
import { StartupError } from './common/startup.error.js';
import { ConfigError } from './config/config.error.js';

/** How long a stop may take before it is forced. */
const STOP_DEADLINE_MS = 10_000;
const EXIT_FAILED = 1;
const EXIT_CONFIG = 78;

/**
 * SIGTERM and SIGINT stop the application gracefully: intake ends, what is in flight is finished and acknowledged, exit 0.
 * A second signal ends the process at once; so does a stop that takes longer than 10 s (exit 1).
 */
export function stopOnSignals(starting: Promise<INestApplication>): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    say(`${signal}: stopping; once more ends it at once`);
    setTimeout(() => {
      say(`not stopped after ${STOP_DEADLINE_MS / 1_000} s, ending now; what was not acknowledged is sent again`);
      process.exit(EXIT_FAILED);
    }, STOP_DEADLINE_MS).unref();
    starting
      .then((app) => app.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          say(`not stopped cleanly: ${String(error)}`);
          process.exit(EXIT_FAILED);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** On standard error, because these lines must come out even where the process ends at once or nothing is loaded yet. */
function say(text: string): void {
  process.stderr.write(`Signalbox: ${text}\n`);
}

/** Where the start failed, says why and what to do on standard error, and ends the process with the exit code that fits. */
export function exitOnFailure(starting: Promise<unknown>): void {
  starting.catch((error: unknown) => {
    process.stderr.write(explainFailure(error));
    process.exit(
      error instanceof ConfigError ? EXIT_CONFIG : error instanceof StartupError ? error.exitCode : EXIT_FAILED,
    );
  });
}

function explainFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    const width = Math.max(...error.problems.map(({ variable }) => variable.length));
    const lines = error.problems.map(({ variable, detail }) => `  ${variable.padEnd(width)}  ${detail}`);
    return (
      `Signalbox cannot start: ${error.problems.length} wrong setting${error.problems.length === 1 ? '' : 's'}.\n\n` +
      `${lines.join('\n')}\n\nSettings come from the environment, .env.local and .env, in this order; see docs/configuration.md.\n`
    );
  }
  if (error instanceof StartupError) return `Signalbox cannot start: ${error.message}\n${error.hint}\n`;
  return `Signalbox cannot start.\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
