import { applyDecorators } from '@nestjs/common';
import { ArrayMaxSize, Matches } from 'class-validator';
import { CommaSeparated } from '../../common/comma-separated.js';
import { Optional } from '../../common/optional.js';
import { printable } from '../../common/printable.js';
import { QueryTime } from '../../common/query-time.js';
import { ListKeysDto } from './list-keys.dto.js';

const MAX_VALUES = 100;

function Names(name: string): PropertyDecorator {
  return applyDecorators(
    Optional(),
    CommaSeparated(),
    ArrayMaxSize(MAX_VALUES, { message: `${name} may name at most ${MAX_VALUES}` }),
    Matches(printable(256), { each: true, message: `${name} must be names, separated by commas` }),
  );
}

/** Query of `GET /v1/audit`. */
export class ListAuditDto extends ListKeysDto {
  /** Comma separated, as the two below. */
  @Names('actor')
  readonly actor?: readonly string[];

  @Names('action')
  readonly action?: readonly string[];

  @Names('target')
  readonly target?: readonly string[];

  /** Epoch milliseconds, as `to`: the interval `[from, to)`. */
  @Optional()
  @QueryTime('from')
  readonly from?: number;

  @Optional()
  @QueryTime('to')
  readonly to?: number;
}
