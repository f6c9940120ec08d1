import { IsObject, IsString, Matches, MaxLength } from 'class-validator';
import { DEVICE_ID } from '../../common/ids.js';
import type { Json } from '../../common/json.js';
import { Optional } from '../../common/optional.js';
import { COMMAND_TYPE } from '../command.js';
import { IDEMPOTENCY_KEY } from '../idempotency.js';

/** Data of `services/control/send`. */
export class SendCommandDto {
  @Matches(DEVICE_ID, { message: 'deviceId must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit' })
  readonly deviceId!: string;

  @Matches(COMMAND_TYPE, {
    message: 'type must be a name of 1-64 of A-Z a-z 0-9 . _ - that begins with a letter, such as TURN_ON_FAN',
  })
  readonly type!: string;

  @Optional()
  @IsObject({ message: 'params must be an object' })
  readonly params: Readonly<Record<string, Json>> = {};

  @Optional()
  @Matches(IDEMPOTENCY_KEY, { message: 'idempotencyKey must be a string of 1 to 255 printable characters' })
  readonly idempotencyKey?: string;
}

/** Data of `services/control/get`. */
export class GetCommandDto {
  @IsString({ message: 'id must be the id of a command' })
  @MaxLength(128, { message: 'id must be the id of a command' })
  readonly id!: string;
}
