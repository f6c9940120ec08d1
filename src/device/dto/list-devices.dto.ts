import { ArrayMaxSize, IsIn, IsString, Matches } from 'class-validator';
import { CommaSeparated } from '../../common/comma-separated.js';
import { Optional } from '../../common/optional.js';
import { PageLimit } from '../../common/page-limit.js';
import { printable } from '../../common/printable.js';
import { Repeatable } from '../../common/repeatable.js';
import { MOST_TAGS, TAG } from '../../common/tags.js';
import { DEVICE_TYPE } from './create-device.dto.js';

const STATES = ['online', 'offline', 'stale', 'unknown', 'never'];
const MOST_TYPES = 100;

/** Query of `GET /v1/devices`. */
export class ListDevicesDto {
  @PageLimit(1_000)
  readonly limit: number = 100;

  @Optional()
  @Matches(printable(128), { message: 'q must be 1-128 printable characters' })
  readonly q?: string;

  /** `key:value`, all of which a device must carry. */
  @Optional()
  @Repeatable()
  @ArrayMaxSize(MOST_TAGS, { message: `tag may be given at most ${MOST_TAGS} times` })
  @Matches(TAG, { each: true, message: 'tag must be key:value' })
  readonly tag?: readonly string[];

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @ArrayMaxSize(MOST_TYPES, { message: `type may name at most ${MOST_TYPES} types` })
  @Matches(DEVICE_TYPE, { each: true, message: 'type must be types of devices, separated by commas' })
  readonly type?: readonly string[];

  /** Comma separated. */
  @Optional()
  @CommaSeparated()
  @IsIn(STATES, { each: true, message: `presence must be of ${STATES.join(', ')}, separated by commas` })
  readonly presence?: readonly string[];

  @Optional()
  @IsString({ message: 'cursor must be given once' })
  readonly cursor?: string;
}
