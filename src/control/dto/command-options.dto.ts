import { IsIn, IsInt, IsObject, Matches, Max, Min, ValidateIf } from 'class-validator';
import type { Json } from '../../common/json.js';
import { Optional } from '../../common/optional.js';
import { printable } from '../../common/printable.js';
import { COMMAND_DEFAULTS, type CommandRequest } from '../command.js';
import type { CommandMode } from '../command.machine.js';

const DAY_MS = 86_400_000;

const TTL = { message: `ttlMs must be a whole number from 1000 to ${30 * DAY_MS}` };
const RESULT_TIMEOUT = { message: `resultTimeoutMs must be a whole number from 1000 to ${DAY_MS}` };
const MAX_ATTEMPTS = { message: 'maxAttempts must be a whole number from 1 to 10' };

/** All that may be said of a command besides its device and its type, wherever it is asked for. */
export abstract class CommandOptionsDto implements Omit<CommandRequest, 'deviceId' | 'type'> {
  @Optional()
  @IsObject({ message: 'params must be an object' })
  readonly params: Readonly<Record<string, Json>> = COMMAND_DEFAULTS.params;

  @Optional()
  @IsInt(TTL)
  @Min(1_000, TTL)
  @Max(30 * DAY_MS, TTL)
  readonly ttlMs: number = COMMAND_DEFAULTS.ttlMs;

  @Optional()
  @IsInt(RESULT_TIMEOUT)
  @Min(1_000, RESULT_TIMEOUT)
  @Max(DAY_MS, RESULT_TIMEOUT)
  readonly resultTimeoutMs: number = COMMAND_DEFAULTS.resultTimeoutMs;

  @Optional()
  @IsIn(['result', 'ack', 'none'], { message: 'mode must be result, ack or none' })
  readonly mode: CommandMode = COMMAND_DEFAULTS.mode;

  @Optional()
  @IsIn(['queue', 'fail'], { message: 'offline must be queue or fail' })
  readonly offline: 'queue' | 'fail' = COMMAND_DEFAULTS.offline;

  @Optional()
  @IsInt(MAX_ATTEMPTS)
  @Min(1, MAX_ATTEMPTS)
  @Max(10, MAX_ATTEMPTS)
  readonly maxAttempts: number = COMMAND_DEFAULTS.maxAttempts;

  @Optional()
  @IsIn(['parallel', 'fifo'], { message: 'order must be parallel or fifo' })
  readonly order: 'parallel' | 'fifo' = COMMAND_DEFAULTS.order;

  @Optional()
  @ValidateIf((_, value) => value !== null)
  @Matches(printable(128), {
    message: 'coalesceKey must be null or a string of 1 to 128 printable characters',
  })
  readonly coalesceKey: string | null = COMMAND_DEFAULTS.coalesceKey;

  @Optional()
  @IsObject({ message: 'metadata must be an object' })
  readonly metadata: Readonly<Record<string, Json>> = COMMAND_DEFAULTS.metadata;
}
