import { IsString, MaxLength } from 'class-validator';

/** Body of `POST /v1/session`. */
export class OpenSessionDto {
  /** As long as it may be a login, whatever its form: a wrong one is answered like any other. */
  @IsString({ message: 'key must be a text' })
  @MaxLength(16_384, { message: 'key is too long' })
  readonly key!: string;
}
