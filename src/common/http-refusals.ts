import { Logger } from '@nestjs/common';
import type { DomainError } from './errors.js';
import { LimitedLog } from './limited-log.js';
import { withoutSecrets } from './secrets.js';

/** What is known of a refused request; less where it could not even be read. */
export interface RefusedRequest {
  readonly requestId: string;
  readonly method?: string;
  readonly path?: string;
}

/** Counts the requests that were refused, by code, and logs them: at most one line a second for each code. */
export class HttpRefusals {
  private readonly counts = new Map<string, number>();
  private readonly log = new LimitedLog(new Logger('Http'));

  /** Counts since the start, by code. */
  get counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.counts);
  }

  note({ code, message }: DomainError, request: RefusedRequest): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.log.warn(code, () => ({
      msg: 'request refused',
      code,
      detail: withoutSecrets(message).slice(0, 300),
      ...request,
    }));
  }
}
