import { IsObject, Matches } from 'class-validator';
import { Optional } from '../../common/optional.js';
import { DEVICE_ID, DEVICE_ID_FORM } from '../../common/ids.js';
import type { Json } from '../../common/json.js';
import { COMMAND_TYPE } from '../../common/ids.js';

/** Body of `POST /control`. */
export class ControlDto {
  @Matches(COMMAND_TYPE, {
    message:
      'command must be a name of 1-64 of A-Z a-z 0-9 . _ - that begins with a letter, such as {"command": "TURN_ON_FAN"}',
  })
  readonly command!: string;

  @Optional()
  @Matches(DEVICE_ID, { message: DEVICE_ID_FORM })
  readonly deviceId: string = 'device';

  @Optional()
  @IsObject({ message: 'params must be an object' })
  readonly params: Readonly<Record<string, Json>> = {};
}
