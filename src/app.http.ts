import http from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DomainError } from './common/errors.js';
import { HttpErrors } from './common/http.errors.js';
import { newId } from './common/ids.js';
import { parseJson } from './common/json.js';
import { PROBLEM_JSON, problemBytes, toDomainError } from './common/problem.js';

const BODY_LIMIT = 1_048_576;
const HEADER_LIMIT = 16_384;
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;

/**
 * Fastify with the limits of docs/api.md: bodies of 1 MiB in strict JSON, headers of 16 KiB within 10 s, requests within 30 s.
 * What fails before a route is reached is answered with a problem document as well.
 */
export function createHttpAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: 0,
    http: { headersTimeout: HEADERS_TIMEOUT, connectionsCheckingInterval: 1_000, maxHeaderSize: HEADER_LIMIT },
    // Requests in flight are finished at a stop; only idle connections are closed at once.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: newId,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(toDomainError(error), request, reply),
    clientErrorHandler: answerClientError,
  });
  const server = adapter.getInstance();
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    const encoding = request.headers['content-encoding'];
    if (closing) done(HttpErrors.STOPPING('Signalbox is stopping; try again in a moment.', { retryAfter: 5 }));
    else if (encoding !== undefined && encoding !== 'identity') {
      done(HttpErrors.UNSUPPORTED_MEDIA_TYPE('Send the body without a content encoding.'));
    } else done();
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      refuseOtherCharsets(request);
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(toDomainError(error));
    }
  });
  return adapter;
}

/** JSON is UTF-8 (RFC 8259, 8.1). */
function refuseOtherCharsets(request: FastifyRequest): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    throw HttpErrors.UNSUPPORTED_MEDIA_TYPE('JSON is read as UTF-8 only.');
  }
}

function sendProblem(error: DomainError, request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.split('?', 1)[0]!;
  void reply
    .status(error.spec.status)
    .header('content-type', PROBLEM_JSON)
    .send(problemBytes(error, path, request.id));
}

/** Answers what Node's parser refuses, when there is no request object yet. */
function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const problem = clientError(error.code);
  if (socket.writable) {
    const body = problemBytes(problem, '', newId());
    const { status } = problem.spec;
    socket.write(
      `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${PROBLEM_JSON}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  }
  socket.destroy(error);
}

function clientError(code: string | undefined): DomainError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return HttpErrors.REQUEST_TIMEOUT('The request did not arrive in time.');
  if (code === 'HPE_HEADER_OVERFLOW') return HttpErrors.HEADERS_TOO_LARGE('The headers are larger than 16 KiB.');
  return HttpErrors.BAD_REQUEST('This is not a valid HTTP/1.1 request.');
}
