import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_JSON, problemBytes, toDomainError } from './problem.js';

/** Answers every error of an HTTP route with application/problem+json (RFC 9457). Errors of 500 are logged with their cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = toDomainError(exception);
    const path = request.url.split('?', 1)[0]!;
    if (error.spec.status === 500) {
      const { cause } = error.options;
      this.logger.error({
        msg: 'request failed',
        requestId: request.id,
        method: request.method,
        path,
        error: cause instanceof Error ? cause.stack : JSON.stringify(cause),
      });
    }
    if (reply.sent) return;
    if (error.options.retryAfter !== undefined) reply.header('retry-after', String(error.options.retryAfter));
    reply
      .status(error.spec.status)
      .header('content-type', PROBLEM_JSON)
      .send(problemBytes(error, path, request.id));
  }
}
