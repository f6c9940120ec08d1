import { IsString, Matches, MaxLength } from 'class-validator';
import { DEVICE_ID } from '../../common/ids.js';
import { Optional } from '../../common/optional.js';
import { IDEMPOTENCY_KEY } from '../idempotency.js';
import { CreateCommandDto } from './create-command.dto.js';

/** Data of `services/control/send`. */
export class SendCommandDto extends CreateCommandDto {
  @Matches(DEVICE_ID, { message: 'deviceId must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit' })
  readonly deviceId!: string;

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
