import { IsBoolean, IsIn, IsString } from 'class-validator';
import { Optional } from '../../common/optional.js';
import type { Json } from '../../common/json.js';

/** Body of `POST /publish`. Exactly one of `message`, `msg` and `payload` carries what is published. */
export class PublishDto {
  @Optional()
  @IsString({ message: 'topic must be a string' })
  readonly topic?: string;

  @Optional()
  readonly message?: Json;

  @Optional()
  readonly msg?: Json;

  @Optional()
  readonly payload?: Json;

  @Optional()
  @IsIn([0, 1, 2], { message: 'qos must be 0, 1 or 2' })
  readonly qos?: 0 | 1 | 2;

  @Optional()
  @IsBoolean({ message: 'retain must be true or false' })
  readonly retain?: boolean;
}
