import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpRefusals } from './http-refusals.js';
import { sendProblem, toDomainError } from './problem.js';
import { withoutSecrets } from './secrets.js';

/** Answers every error of an HTTP route with application/problem+json (RFC 9457). Errors of 500 are logged with their cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(private readonly refusals: HttpRefusals) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = toDomainError(exception);
    if (error.spec.status === 500) {
      const { cause } = error.options;
      this.logger.error({
        msg: 'request failed',
        requestId: request.id,
        method: request.method,
        path: withoutSecrets(request.url.split('?', 1)[0]!),
        error: cause instanceof Error ? cause.stack : JSON.stringify(cause),
      });
    }
    sendProblem(error, request, reply, this.refusals);
  }
}
