import { HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError, type ErrorDetail } from './errors.js';
import { HttpErrors } from './http.errors.js';
import type { HttpRefusals } from './http-refusals.js';
import { JsonError } from './json.js';
import { withoutSecrets } from './secrets.js';

/** The problem document of RFC 9457 as Signalbox sends it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly ErrorDetail[];
  /** Whole seconds; over HTTP the header Retry-After says it. */
  readonly retryAfter?: number;
}

/** The media type of a problem document. */
export const PROBLEM_JSON = 'application/problem+json';

/**
 * Writes a coded error as the bytes of a problem document; as bytes, because Fastify adds a charset to the type of a text, and
 * JSON has none. `instance` is the path without its query, which may hold what is nobody's business.
 */
export function problemBytes(error: DomainError, instance: string, requestId: string): Buffer {
  return Buffer.from(JSON.stringify(problemOf(error, instance, requestId)));
}

/** Answers a request with a problem document, counts and logs it. Does nothing more where the answer has begun already. */
export function sendProblem(
  error: DomainError,
  request: FastifyRequest,
  reply: FastifyReply,
  refusals: HttpRefusals,
): void {
  const path = withoutSecrets(request.url.split('?', 1)[0]!);
  refusals.note(error, { requestId: request.id, method: request.method, path: path.slice(0, 256) });
  if (reply.sent) return;
  if (error.options.retryAfter !== undefined) void reply.header('retry-after', String(error.options.retryAfter));
  void reply
    .status(error.spec.status)
    .header('content-type', PROBLEM_JSON)
    .send(problemBytes(error, path, request.id));
}

/** The problem document for a coded error; `instance` is the path or topic that it is about. */
export function problemOf(error: DomainError, instance: string, requestId: string): Problem {
  const { errors, extra } = error.options;
  return {
    ...extra,
    type: `urn:signalbox:error:${error.code}`,
    title: error.spec.title,
    status: error.spec.status,
    detail: error.message,
    instance,
    code: error.code,
    requestId,
    ...(errors ? { errors } : {}),
  };
}

/** Turns whatever a route, Nest or Fastify threw into a coded error; what nobody foresaw becomes INTERNAL, with the cause kept. */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof JsonError) {
    const errors = error.pointer ? [{ pointer: error.pointer, detail: error.message, code: error.reason }] : undefined;
    return HttpErrors.BAD_JSON(sentence(error.message), errors ? { errors } : {});
  }
  const status = error instanceof HttpException ? error.getStatus() : statusOf(error);
  switch (status) {
    case 404:
      return HttpErrors.NOT_FOUND('No such route; GET / lists where to begin.');
    case 408:
      return HttpErrors.REQUEST_TIMEOUT('The request did not arrive in time.');
    case 413:
      return HttpErrors.BODY_TOO_LARGE('The body is larger than this route accepts (1 MiB).');
    case 415:
      return HttpErrors.UNSUPPORTED_MEDIA_TYPE(
        'Send the body as application/json in UTF-8, without a content encoding.',
      );
    case 431:
      return HttpErrors.HEADERS_TOO_LARGE('The headers are larger than 16 KiB.');
    case 503:
      return HttpErrors.STOPPING('Signalbox is stopping; try again in a moment.', { retryAfter: 5 });
    default:
      return status !== undefined && status >= 400 && status < 500
        ? HttpErrors.BAD_REQUEST('The request cannot be read.', { cause: error })
        : HttpErrors.INTERNAL('The request could not be served; the log has the reason under this requestId.', {
            cause: error,
          });
  }
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** Capital letter and full stop. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
