import { type ArgumentsHost, Catch, Logger, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';
import { DomainError, isPassing } from './errors.js';
import { LimitedLog } from './limited-log.js';

const MAX_DETAIL = 300;

/**
 * Hands the error of a message handler on as it is, so that its code survives (Nest would make it "Internal server error"),
 * and logs topic and code of the refused batch: at most one line a second per code.
 */
@Catch()
export class RpcFilter implements RpcExceptionFilter {
  private readonly log = new LimitedLog(new Logger(RpcFilter.name));

  catch(exception: unknown, host: ArgumentsHost): Observable<never> {
    const error = exception instanceof Error ? exception : new Error(String(exception));
    const code = error instanceof DomainError ? error.code : 'INTERNAL';
    this.log.warn(code, () => {
      const batch: unknown = host.switchToRpc().getData();
      const messages = (Array.isArray(batch) ? batch : [batch]) as readonly { readonly topic?: unknown }[];
      return {
        msg: isPassing(error)
          ? 'messages not accepted for now; they stay unacknowledged and are tried again, or sent again'
          : 'messages not accepted; their senders are disconnected so that they send again',
        code,
        detail: error.message.slice(0, MAX_DETAIL),
        topic: messages[0]?.topic,
        messages: messages.length,
        ...(code === 'INTERNAL' ? { stack: error.stack } : {}),
      };
    });
    return throwError(() => error);
  }
}
