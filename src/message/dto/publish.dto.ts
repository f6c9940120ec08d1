import { IsBoolean, IsIn, IsOptional, IsString } from 'class-validator';
import { AsSent } from '../../common/as-sent.js';
import type { Json } from '../../common/json.js';

/** Body of `POST /publish`. Exactly one of `message`, `msg` and `payload` carries what is published. */
export class PublishDto {
  @IsOptional()
  @IsString({ message: 'topic must be a string' })
  readonly topic?: string;

  @AsSent()
  @IsOptional()
  readonly message?: Json;

  @AsSent()
  @IsOptional()
  readonly msg?: Json;

  @AsSent()
  @IsOptional()
  readonly payload?: Json;

  @IsOptional()
  @IsIn([0, 1, 2], { message: 'qos must be 0, 1 or 2' })
  readonly qos?: 0 | 1 | 2;

  @IsOptional()
  @IsBoolean({ message: 'retain must be true or false' })
  readonly retain?: boolean;
}
