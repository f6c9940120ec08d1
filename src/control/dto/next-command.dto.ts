import { Transform } from 'class-transformer';
import { IsInt } from 'class-validator';

/** Query of `GET /v1/device/commands/next`. */
export class NextCommandDto {
  /** Seconds from 0 to 60, written `30` or `30s`. */
  @Transform(({ value }: { readonly value: unknown }) =>
    typeof value === 'string' && /^(\d|[1-5]\d|60)s?$/.test(value) ? Number.parseInt(value, 10) : value,
  )
  @IsInt({ message: 'wait must be whole seconds from 0 to 60, such as 30 or 30s' })
  readonly wait: number = 0;
}
