import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { ProblemFilter } from './problem.filter.js';
import { RpcErrorFilter } from './rpc.filter.js';

/** Hands an error to the filter of its transport: HTTP or MQTT. Nest runs only one catch-all filter, so there is one. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly http = new ProblemFilter();
  private readonly rpc = new RpcErrorFilter();

  catch(exception: unknown, host: ArgumentsHost): Observable<never> | void {
    return host.getType() === 'rpc' ? this.rpc.catch(exception, host) : this.http.catch(exception, host);
  }
}
