import { Writable } from 'node:stream';
import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { withoutSecrets } from './secrets.js';

/** `trace` .. `fatal` as pino names them; Nest's `verbose` is pino's `trace`, its `log` is `info`. */
type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Contexts in which Nest tells how it puts the application together: of interest to its developers only. */
const FRAMEWORK = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'NestMicroservice',
]);

/**
 * Nest's logger over pino: one line per record on standard output, JSON or readable. Control characters in values are
 * escaped in both forms, so that nobody can write a second line. A message may be a text, or an object with `msg` and fields.
 */
export class PinoLogger implements LoggerService {
  private readonly pino: Logger;

  constructor(level: Level, format: 'pretty' | 'json') {
    const options = { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
    const look = { colorize: process.stdout.isTTY, translateTime: 'SYS:HH:MM:ss', singleLine: true };
    this.pino = pino(
      options,
      format === 'json' ? standardOutput() : pretty({ ...look, destination: standardOutput() }),
    );
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write(FRAMEWORK.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest passes the context last, and for errors a stack before it. */
  private write(level: Level, message: unknown, rest: readonly unknown[]): void {
    const context = rest.at(-1);
    const stack = rest.length > 1 ? rest[0] : undefined;
    const fields = {
      ...(context === undefined ? {} : { context }),
      ...(stack === undefined ? {} : { stack }),
    };
    if (message instanceof Error) this.pino[level]({ ...fields, err: message }, escape(message.message));
    else if (message !== null && typeof message === 'object') this.pino[level]({ ...fields, ...message });
    else this.pino[level](fields, escape(String(message)));
  }
}

/** Standard output, without the control characters from U+007F to U+009F, which JSON leaves as they are, and without secrets of ours. */
function standardOutput(): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      process.stdout.write(withoutSecrets(line.toString()).replaceAll(/[\u007f-\u009f]/g, code), () => done());
    },
  });
}

/** Nest's start-up lines and ours hold no control characters; what came from outside may. */
function escape(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, code);
}

function code(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
