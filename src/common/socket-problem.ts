import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DomainError } from './errors.js';
import { PROBLEM_JSON, problemBytes } from './problem.js';

/** Answers with a problem document on a socket for which there is no response object, and closes it. */
export function endWithProblem(socket: Duplex, problem: DomainError, requestId: string): void {
  if (socket.writable) {
    const body = problemBytes(problem, '', requestId);
    const { status } = problem.spec;
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${PROBLEM_JSON}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  }
  socket.destroy();
}
