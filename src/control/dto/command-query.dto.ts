import { Transform } from 'class-transformer';
import { IsIn, IsInt } from 'class-validator';
import { described } from '../../common/json-schema.js';
import { Optional } from '../../common/optional.js';
import type { WaitGoal } from '../command.waiter.js';
import { MAX_WAIT_S, waitSeconds } from '../wait.js';

/** Query of `GET /v1/commands/{id}`. */
export class CommandQueryDto {
  /** Seconds. */
  @Transform(({ value }: { readonly value: unknown }) => (typeof value === 'string' ? waitSeconds(value) : value))
  @IsInt({
    message: 'wait must be whole seconds, at most 60',
    ...described({ type: 'integer', minimum: 0, maximum: MAX_WAIT_S }),
  })
  readonly wait: number = 0;

  @Optional()
  @IsIn(['final', 'acked'], { message: 'until must be final or acked' })
  readonly until: WaitGoal = 'final';
}
