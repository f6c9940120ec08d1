import { IsIn } from 'class-validator';
import { Setting } from './setting.decorator.js';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** What is logged, and how it looks. */
export class LogConfig {
  @Setting('LOG_LEVEL', 'info')
  @IsIn(LEVELS, { message: `must be one of ${LEVELS.join(', ')}` })
  readonly level!: (typeof LEVELS)[number];

  /** Empty or not set: `pretty` on a terminal, else `json`. */
  @Setting('LOG_FORMAT', '', (text) => text || (process.stdout.isTTY ? 'pretty' : 'json'))
  @IsIn(['pretty', 'json'], { message: 'must be pretty or json' })
  readonly format!: 'pretty' | 'json';
}
