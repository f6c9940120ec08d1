import type { ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CertificateFiles } from './common/certificate-files.js';
import { isTlsError } from './common/certificates.js';
import type { DomainError } from './common/errors.js';
import { HttpErrors } from './common/http.errors.js';
import type { HttpRefusals } from './common/http-refusals.js';
import { newId } from './common/ids.js';
import { parseJson } from './common/json.js';
import { sendProblem, toDomainError } from './common/problem.js';
import { bodiesOf, isAsBytes, JSON_BODY, OTHER_BODIES } from './common/raw-body.js';
import { securityHeaders } from './common/security-headers.js';
import { endWithProblem } from './common/socket-problem.js';

/** Limits of the HTTP listener. Sizes in bytes, times in milliseconds. */
export interface HttpLimits {
  readonly body: number;
  readonly header: number;
  readonly headerCount: number;
  /** For all headers to arrive, and for the whole request. */
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  /** For a connection on which nothing moves, such as one whose client does not read its answer. */
  readonly stallTimeout: number;
  /** For requests in flight at a stop, before their connections are cut. */
  readonly stopGrace: number;
}

export const HTTP_LIMITS: HttpLimits = {
  body: 1_048_576,
  header: 16_384,
  headerCount: 100,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  stallTimeout: 30_000,
  stopGrace: 3_000,
};

/**
 * Fastify with the limits of docs/api.md and strict JSON. What fails before a route is reached is answered with a problem
 * document as well. With `certificates` it speaks HTTPS instead of HTTP, always with those that are in the files now.
 * `trustProxy`: addresses and networks whose forwarding headers are believed.
 */
export function createHttpAdapter(
  refusals: HttpRefusals,
  limits: HttpLimits = HTTP_LIMITS,
  certificates: CertificateFiles | null = null,
  trustProxy: readonly string[] = [],
): FastifyAdapter {
  const serverOptions: ServerOptions = {
    headersTimeout: limits.headersTimeout,
    connectionsCheckingInterval: Math.min(1_000, limits.headersTimeout),
    maxHeaderSize: limits.header,
    // Answered by ourselves, in the form of all other errors.
    requireHostHeader: false,
  };
  const adapter = new FastifyAdapter({
    bodyLimit: limits.body,
    trustProxy: trustProxy.length > 0 && [...trustProxy],
    requestTimeout: limits.requestTimeout,
    connectionTimeout: limits.stallTimeout,
    ...(certificates
      ? { https: { ...serverOptions, ...certificates.options, handshakeTimeout: limits.headersTimeout } }
      : { http: serverOptions }),
    // Requests in flight may finish at a stop; only idle connections are closed at once.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: newId,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      setHeaders(request, reply);
      sendProblem(toDomainError(error), request, reply, refusals);
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => answerClientError(error, socket, refusals),
  });
  const server = adapter.getInstance();
  if (certificates) {
    certificates.keepCurrent(server.server as unknown as Server);
    server.addHook('onClose', (_, done) => {
      certificates.stop();
      done();
    });
  }
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    setTimeout(() => server.server.closeAllConnections(), limits.stopGrace).unref();
    done();
  });
  server.addHook('onRequest', (request, reply, done) => {
    setHeaders(request, reply);
    done(closing ? stopping() : refusalOf(request, limits));
  });
  server.removeAllContentTypeParsers();
  for (const mediaType of [JSON_BODY, ...OTHER_BODIES]) {
    server.addContentTypeParser(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
      try {
        refuseOtherTypes(request, mediaType);
        refuseOtherCharsets(request);
        if (isAsBytes(request.routeOptions.config)) done(null, body);
        // No body is none, whatever type it would have had: a route says itself whether it wants one.
        else done(null, body.length === 0 ? undefined : parseJson(body as Buffer));
      } catch (error) {
        done(toDomainError(error));
      }
    });
  }
  return adapter;
}

function setHeaders({ id, protocol }: FastifyRequest, reply: FastifyReply): void {
  void reply.headers(securityHeaders(protocol === 'https')).header('x-request-id', id);
}

function stopping(): DomainError {
  return HttpErrors.STOPPING('Signalbox is stopping; try again in a moment.', { retryAfter: 5 });
}

/** What is wrong with the head of a request, whatever its route. */
function refusalOf({ raw, headers }: FastifyRequest, limits: HttpLimits): DomainError | undefined {
  const names = raw.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  if (names.length > limits.headerCount) {
    return HttpErrors.HEADERS_TOO_LARGE(`There are more than ${limits.headerCount} headers.`);
  }
  if (names.filter((name) => name === 'host').length !== 1) {
    return HttpErrors.BAD_REQUEST('A request has exactly one Host header.'); // RFC 9112, 3.2
  }
  if (!raw.url?.startsWith('/')) return HttpErrors.BAD_REQUEST('The request target must be a path: this is no proxy.');
  if (/(^|,)\s*websocket\s*(,|$)/i.test(headers.upgrade ?? '')) {
    return HttpErrors.UPGRADE_REFUSED('There are no WebSockets on this port; MQTT over WebSocket has one of its own.');
  }
  const encoding = headers['content-encoding'];
  return encoding === undefined || encoding === 'identity'
    ? undefined
    : HttpErrors.UNSUPPORTED_MEDIA_TYPE('Send the body without a content encoding.');
}

function refuseOtherTypes({ routeOptions: { config } }: FastifyRequest, mediaType: string): void {
  const taken = bodiesOf(config);
  if (!taken.includes(mediaType)) throw HttpErrors.UNSUPPORTED_MEDIA_TYPE(`This route takes ${taken.join(' or ')}.`);
}

/** JSON is UTF-8 (RFC 8259, 8.1). */
function refuseOtherCharsets(request: FastifyRequest): void {
  const charsets = (request.headers['content-type'] ?? '').matchAll(/;\s*charset\s*=\s*"?([^";\s]*)/gi);
  for (const [, charset] of charsets) {
    if (charset!.toLowerCase() !== 'utf-8') throw HttpErrors.UNSUPPORTED_MEDIA_TYPE('JSON is read as UTF-8 only.');
  }
}

/** Answers what Node's parser refuses, when there is no request object yet. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket, refusals: HttpRefusals): void {
  if (error.code === 'ECONNRESET') return void socket.destroy();
  const requestId = newId();
  // Without a handshake nothing can be said that the client would read.
  if (isTlsError(error.code) || socket.destroyed) {
    if (isTlsError(error.code))
      refusals.note(HttpErrors.BAD_REQUEST(`The TLS handshake failed: ${error.code}.`), { requestId });
    socket.destroy();
    return;
  }
  const problem = clientError(error.code);
  refusals.note(problem, { requestId });
  endWithProblem(socket, problem, requestId);
}

function clientError(code: string | undefined): DomainError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return HttpErrors.REQUEST_TIMEOUT('The request did not arrive in time.');
  if (code === 'HPE_HEADER_OVERFLOW') return HttpErrors.HEADERS_TOO_LARGE('The headers are larger than 16 KiB.');
  return HttpErrors.BAD_REQUEST('This is not a valid HTTP/1.1 request.');
}
