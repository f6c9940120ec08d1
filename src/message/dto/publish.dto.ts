import { IsBoolean, IsIn, IsOptional, IsString } from 'class-validator';
import type { Json } from '../../common/json.js';

/** Body of `POST /publish`. Exactly one of `message`, `msg` and `payload` carries what is published. */
export class PublishDto {
  @IsOptional()
  @IsString({ message: 'topic must be a string' })
  readonly topic?: string;

  @IsOptional()
  readonly message?: Json;

  @IsOptional()
  readonly msg?: Json;

  @IsOptional()
  readonly payload?: Json;

  @IsOptional()
  @IsIn([0, 1, 2], { message: 'qos must be 0, 1 or 2' })
  readonly qos?: 0 | 1 | 2;

  @IsOptional()
  @IsBoolean({ message: 'retain must be true or false' })
  readonly retain?: boolean;
}
