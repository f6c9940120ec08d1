import { IsNotEmpty, IsObject, IsOptional, IsString, Matches } from 'class-validator';
import { DEVICE_ID } from '../../common/ids.js';
import type { Json } from '../../common/json.js';
import { COMMAND_TYPE } from '../command.js';

/** Body of `POST /control`. */
export class ControlDto {
  @IsNotEmpty({ message: 'command is missing: give the name of the command, such as {"command": "TURN_ON_FAN"}' })
  @IsString({ message: 'command must be a string' })
  @Matches(COMMAND_TYPE, { message: 'command must be 1-64 of A-Z a-z 0-9 . _ - and begin with a letter' })
  readonly command!: string;

  @IsOptional()
  @IsString({ message: 'deviceId must be a string' })
  @Matches(DEVICE_ID, { message: 'deviceId must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit' })
  readonly deviceId: string = 'device';

  @IsOptional()
  @IsObject({ message: 'params must be an object' })
  readonly params: Readonly<Record<string, Json>> = {};
}
