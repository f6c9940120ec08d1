import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { DENY } from './broker-access.service.js';

const DENIED = JSON.stringify(DENY);
/** Headers of errors, which an answer must not carry. */
const OF_ERRORS = ['content-length', 'retry-after', 'www-authenticate'];

/**
 * Makes a denial (200) of every error below `/internal/mqtt`: a body that cannot be read, a database that is away, a route that does
 * not exist, a stop. EMQX takes 4xx and 5xx as "ask somebody else", and where nobody else is asked it may allow.
 */
@Injectable()
export class BrokerDenial implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost<FastifyAdapter>) {}

  onModuleInit(): void {
    this.host.httpAdapter.getInstance().addHook('onSend', (request, reply, payload, done) => {
      if (reply.statusCode < 300 || !isForBrokers(request.url)) return done(null, payload);
      for (const header of OF_ERRORS) void reply.removeHeader(header);
      void reply.code(200).header('content-type', 'application/json');
      done(null, DENIED);
    });
  }
}

/** True for each way of writing a path below `/internal/mqtt`. */
function isForBrokers(url: string): boolean {
  const path = url.split('?', 1)[0]!;
  return /^\/+internal\/+mqtt(\/|$)/i.test(unescaped(path));
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
