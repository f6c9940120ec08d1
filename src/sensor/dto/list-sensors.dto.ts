import { Matches } from 'class-validator';
import { Optional } from '../../common/optional.js';
import { DEVICE_ID } from '../../common/ids.js';
import { PageLimit } from '../../common/page-limit.js';

/** Query of `GET /sensors`. */
export class ListSensorsDto {
  @PageLimit(10_000)
  readonly limit: number = 20;

  @Optional()
  @Matches(DEVICE_ID, { message: 'deviceId must be one device id' })
  readonly deviceId?: string;
}
