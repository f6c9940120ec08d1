import { IsString, Matches, MaxLength } from 'class-validator';
import { DEVICE_ID, DEVICE_ID_FORM } from '../../common/ids.js';
import { Optional } from '../../common/optional.js';
import { IDEMPOTENCY_KEY } from '../idempotency.js';
import { CreateCommandDto } from './create-command.dto.js';

/** Data of `services/control/send`. */
export class SendCommandDto extends CreateCommandDto {
  @Matches(DEVICE_ID, { message: DEVICE_ID_FORM })
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
