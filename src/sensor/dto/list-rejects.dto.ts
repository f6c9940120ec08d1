import { ArrayMaxSize, IsString, Matches } from 'class-validator';
import { CommaSeparated } from '../../common/comma-separated.js';
import { Optional } from '../../common/optional.js';
import { DEVICE_ID } from '../../common/ids.js';
import { PageLimit } from '../../common/page-limit.js';

const MAX_VALUES = 100;

/** Query of `GET /v1/rejects`. */
export class ListRejectsDto {
  @PageLimit(1_000)
  readonly limit: number = 100;

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @ArrayMaxSize(MAX_VALUES, { message: `deviceId may name at most ${MAX_VALUES} devices` })
  @Matches(DEVICE_ID, { each: true, message: 'deviceId must be device ids, separated by commas' })
  readonly deviceId?: readonly string[];

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @ArrayMaxSize(MAX_VALUES, { message: `code may name at most ${MAX_VALUES} codes` })
  @Matches(/^[A-Z][A-Z0-9_]{0,63}$/, { each: true, message: 'code must be codes of rejects, separated by commas' })
  readonly code?: readonly string[];

  @Optional()
  @IsString({ message: 'cursor must be given once' })
  readonly cursor?: string;
}
