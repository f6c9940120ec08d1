import { Matches } from 'class-validator';
import { COMMAND_TYPE } from '../../common/ids.js';
import { CommandOptionsDto } from './command-options.dto.js';

/** Body of `POST /v1/devices/{deviceId}/commands`. */
export class CreateCommandDto extends CommandOptionsDto {
  @Matches(COMMAND_TYPE, {
    message: 'type must be a name of 1-64 of A-Z a-z 0-9 . _ - that begins with a letter, such as TURN_ON_FAN',
  })
  readonly type!: string;
}
