// What Nest on Fastify alone can do, in a process of its own: node bench/empty-route.mjs --http PORT --method POST --path PATH
// --status CODE --body FILE. One route that does nothing and returns what the JSON file holds; and GET /readyz.
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Controller, Get, HttpCode, Module, RequestMethod, RequestMapping } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

const { values: options } = parseArgs({
  options: {
    http: { type: 'string', default: '3000' },
    method: { type: 'string', default: 'GET' },
    path: { type: 'string', default: '/' },
    status: { type: 'string', default: '200' },
    body: { type: 'string', default: '' },
  },
});

const body = JSON.parse(readFileSync(options.body, 'utf8'));

class EmptyController {
  answer() {
    return body;
  }

  ready() {
    return { status: 'OK' };
  }
}

class EmptyModule {}

// Decorators as TypeScript applies them: this is plain JavaScript.
const method = options.method === 'POST' ? RequestMethod.POST : RequestMethod.GET;
decorate('answer', RequestMapping({ path: options.path, method }), HttpCode(Number(options.status)));
decorate('ready', Get('readyz'));
Controller()(EmptyController);
Module({ controllers: [EmptyController] })(EmptyModule);

function decorate(/** @type {'answer' | 'ready'} */ name, /** @type {MethodDecorator[]} */ ...decorators) {
  const descriptor = /** @type {PropertyDescriptor} */ (
    Object.getOwnPropertyDescriptor(EmptyController.prototype, name)
  );
  for (const decorator of decorators) decorator(EmptyController.prototype, name, descriptor);
}

// The options of src/app.http.ts without what Signalbox adds to them: ids of requests, its own JSON parser, hooks.
const adapter = new FastifyAdapter({
  bodyLimit: 1_048_576,
  requestTimeout: 30_000,
  connectionTimeout: 30_000,
  http: {
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16_384,
    requireHostHeader: false,
  },
  forceCloseConnections: 'idle',
  return503OnClosing: false,
  routerOptions: { maxParamLength: 256 },
});
const app = await NestFactory.create(EmptyModule, adapter, { logger: false });
await app.listen(Number(options.http), '127.0.0.1');
process.once('SIGTERM', () => void app.close());
