import { ArrayMaxSize, IsIn, IsString, Matches } from 'class-validator';
import { CommaSeparated } from '../../common/comma-separated.js';
import { COMMAND_TYPE, DEVICE_ID } from '../../common/ids.js';
import { Optional } from '../../common/optional.js';
import { PageLimit } from '../../common/page-limit.js';
import { QueryTime } from '../../common/query-time.js';
import { COMMAND_RANK, type CommandStatus } from '../command.machine.js';

const STATUSES = Object.keys(COMMAND_RANK);
const MAX_VALUES = 100;

/** Query of `GET /v1/devices/{deviceId}/commands`. */
export class ListDeviceCommandsDto {
  @PageLimit(1_000)
  readonly limit: number = 100;

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @IsIn(STATUSES, { each: true, message: `status must be of ${STATUSES.join(', ')}, separated by commas` })
  readonly status?: readonly CommandStatus[];

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @ArrayMaxSize(MAX_VALUES, { message: `type may name at most ${MAX_VALUES} types` })
  @Matches(COMMAND_TYPE, { each: true, message: 'type must be types of commands, separated by commas' })
  readonly type?: readonly string[];

  /** Epoch milliseconds, as `to`: the interval `[from, to)` of the creation. */
  @Optional()
  @QueryTime('from')
  readonly from?: number;

  @Optional()
  @QueryTime('to')
  readonly to?: number;

  @Optional()
  @IsString({ message: 'cursor must be given once' })
  readonly cursor?: string;
}

/** Query of `GET /v1/commands`. */
export class ListCommandsDto extends ListDeviceCommandsDto {
  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @ArrayMaxSize(MAX_VALUES, { message: `deviceId may name at most ${MAX_VALUES} devices` })
  @Matches(DEVICE_ID, { each: true, message: 'deviceId must be device ids, separated by commas' })
  readonly deviceId?: readonly string[];
}
