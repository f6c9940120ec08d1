import { Transform } from 'class-transformer';
import { IsInt } from 'class-validator';
import { described } from '../../common/json-schema.js';
import { MAX_WAIT_S, waitSeconds } from '../wait.js';

/** Query of `GET /v1/device/commands/next`. */
export class NextCommandDto {
  /** Seconds, written `30` or `30s`. */
  @Transform(({ value }: { readonly value: unknown }) =>
    typeof value === 'string' ? waitSeconds(value.replace(/s$/, '')) : value,
  )
  @IsInt({
    message: 'wait must be whole seconds, at most 60, such as 30 or 30s',
    ...described({ type: 'integer', minimum: 0, maximum: MAX_WAIT_S }),
  })
  readonly wait: number = 0;
}
