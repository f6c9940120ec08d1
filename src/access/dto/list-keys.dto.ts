import { IsString } from 'class-validator';
import { Optional } from '../../common/optional.js';
import { PageLimit } from '../../common/page-limit.js';

/** Query of `GET /v1/api-keys`. */
export class ListKeysDto {
  @PageLimit(1_000)
  readonly limit: number = 100;

  @Optional()
  @IsString({ message: 'cursor must be given once' })
  readonly cursor?: string;
}
