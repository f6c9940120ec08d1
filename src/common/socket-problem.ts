import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { DomainError } from './errors.js';
import { PROBLEM_JSON, problemBytes } from './problem.js';
import { securityHeaders } from './security-headers.js';

/** Answers with a problem document on a socket for which there is no response object, and closes it. */
export function endWithProblem(socket: Duplex, problem: DomainError, requestId: string): void {
  if (!socket.writable) return void socket.destroy();
  const body = problemBytes(problem, '', requestId);
  const { status } = problem.spec;
  const headers = Object.entries(securityHeaders(socket instanceof TLSSocket));
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${PROBLEM_JSON}\r\n` +
    `Content-Length: ${body.length}\r\nX-Request-Id: ${requestId}\r\n` +
    `${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  // Not at once: TLS has still to encrypt it.
  socket.end(Buffer.concat([Buffer.from(head), body]), () => socket.destroy());
}
