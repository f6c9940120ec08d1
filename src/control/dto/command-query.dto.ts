import { Transform } from 'class-transformer';
import { IsIn, IsInt } from 'class-validator';
import { Optional } from '../../common/optional.js';
import type { WaitGoal } from '../command.waiter.js';
import { waitSeconds } from '../wait.js';

/** Query of `GET /v1/commands/{id}`. */
export class CommandQueryDto {
  /** Seconds. */
  @Transform(({ value }: { readonly value: unknown }) => (typeof value === 'string' ? waitSeconds(value) : value))
  @IsInt({ message: 'wait must be whole seconds, at most 60' })
  readonly wait: number = 0;

  @Optional()
  @IsIn(['final', 'acked'], { message: 'until must be final or acked' })
  readonly until: WaitGoal = 'final';
}
