import { IsString } from 'class-validator';
import { Optional } from '../../common/optional.js';
import { PageLimit } from '../../common/page-limit.js';

/** Query of `GET /messages`. */
export class ListMessagesDto {
  @PageLimit(10_000)
  readonly limit: number = 50;

  /** A topic filter; wildcards allowed. */
  @Optional()
  @IsString({ message: 'topic must be given once' })
  readonly topic?: string;
}
