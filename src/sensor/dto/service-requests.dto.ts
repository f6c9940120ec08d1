import { Transform } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsInt, IsString, Matches, Max, Min } from 'class-validator';
import { parseTime } from '../../common/clock.js';
import { DEVICE_ID, DEVICE_ID_FORM } from '../../common/ids.js';
import { Optional } from '../../common/optional.js';
import type { HistoryOrder } from '../reading.history.js';
import { MAX_METRICS } from '../values.js';

const MAX_LIMIT = 10_000;
const DEVICE = { message: DEVICE_ID_FORM };
const NAMES = `metrics must be 1 to ${MAX_METRICS} names of metrics`;
const LIMIT = { message: `limit must be a whole number from 1 to ${MAX_LIMIT}` };

const time = ({ value }: { readonly value: unknown }): unknown => parseTime(value) ?? value;
const names = ({ value }: { readonly value: unknown }): unknown =>
  typeof value === 'string' ? value.split(',') : value;

/** Data of `services/sensor/latest`. */
export class LatestDto {
  @Matches(DEVICE_ID, DEVICE)
  readonly deviceId!: string;
}

/** Data of `services/sensor/history`. */
export class HistoryDto {
  @Matches(DEVICE_ID, DEVICE)
  readonly deviceId!: string;

  /** An array, or names separated by commas, which no name holds. */
  @Optional()
  @Transform(names)
  @IsArray({ message: NAMES })
  @ArrayMinSize(1, { message: NAMES })
  @ArrayMaxSize(MAX_METRICS, { message: NAMES })
  @Matches(/^[^,]{1,128}$/u, { each: true, message: NAMES })
  readonly metrics?: readonly string[];

  /** Epoch milliseconds, as `to`. */
  @Optional()
  @Transform(time)
  @IsInt({ message: 'from must be a time: RFC 3339 with a zone, or epoch milliseconds' })
  readonly from?: number;

  @Optional()
  @Transform(time)
  @IsInt({ message: 'to must be a time: RFC 3339 with a zone, or epoch milliseconds' })
  readonly to?: number;

  @Optional()
  @IsIn(['desc', 'asc', 'received'], { message: 'order must be desc, asc or received' })
  readonly order: HistoryOrder = 'desc';

  @Optional()
  @IsInt(LIMIT)
  @Min(1, LIMIT)
  @Max(MAX_LIMIT, LIMIT)
  readonly limit: number = 100;

  @Optional()
  @IsString({ message: 'cursor must be the nextCursor of a page' })
  readonly cursor?: string;
}
