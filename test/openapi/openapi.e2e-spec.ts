import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyRequest } from 'fastify';
import type { RouteAccess } from '../../src/common/access.js';
import { JSON_BODY, OTHER_BODIES } from '../../src/common/raw-body.js';
import { newSecret } from '../../src/common/secrets.js';
import { readCookie } from '../../src/access/session.cookie.js';
import { OPERATIONS } from '../../src/openapi/openapi.operations.js';
import { gatherRoutes, type ServedRoute } from '../access/matrix-rest.routes.js';
import { basic, bearer, newKeyText, type Requests, requestsWith } from '../support/access.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, type ProblemBody, send } from '../support/http.js';
import { type Described, type Document, nodesOf, operationsOf, requestFor } from './document.js';

const ADMIN_KEY = newKeyText();

let signalbox: TestApp;
let routes: readonly ServedRoute[];
let document: Document;
let operations: readonly Described[];
let admin: Requests;
/** A key that has a scope, but none that a route asks for. */
let weak: Requests;

beforeAll(async () => {
  let served: (() => ServedRoute[]) | undefined;
  signalbox = await createTestApp(
    { ACCESS: 'required', ADMIN_KEY },
    undefined,
    {},
    (app) => (served = gatherRoutes(app)),
  );
  routes = served!();
  admin = requestsWith(signalbox.httpUrl, bearer(ADMIN_KEY));
  const { body: key } = await admin.post<{ key: string }>('/v1/api-keys', { name: 'w', scopes: ['stream:read'] });
  weak = requestsWith(signalbox.httpUrl, bearer(key.key));
  document = (await get<Document>(`${signalbox.httpUrl}/openapi.json`)).body;
  operations = operationsOf(document);
});
afterAll(() => signalbox?.close());

const nameOf = ({ method, path }: Described) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;

async function ask(operation: Described, headers: Record<string, string> = {}, body?: unknown) {
  const { method, path } = requestFor(operation);
  return send<ProblemBody>(method, `${signalbox.httpUrl}${path}`, headers, body);
}

describe('GET /openapi.json', () => {
  it('needs no login, may be kept but is asked for again, and is 304 where the caller has it', async () => {
    const url = `${signalbox.httpUrl}/openapi.json`;
    const { status, headers, body } = await get<Document>(url);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(body.openapi).toBe('3.1.0');
    const etag = headers.get('etag')!;
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await get(url, { 'if-none-match': tag });
      expect([tag, again.status, again.text, again.headers.get('etag')]).toEqual([tag, 304, '', etag]);
    }
    expect((await get(url, { 'if-none-match': '"x"' })).status).toBe(200);
  });

  it('describes every route of the running application, and no other', () => {
    const served = routes.map(({ method, url }) => `${method} ${url}`);
    expect(served.length).toBeGreaterThan(30);
    expect(operations.map(nameOf).toSorted()).toEqual(served.toSorted());
  });

  it('says in a line what each of them does, under an id that no other has', () => {
    expect(operations.filter(({ summary }) => !summary).map(nameOf)).toEqual([]);
    expect(Object.keys(OPERATIONS).toSorted()).toEqual(operations.map(nameOf).toSorted());
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
  });

  it('asks for the login that the guard asks for', () => {
    for (const operation of operations) {
      const { access } = routes.find(({ method, url }) => `${method} ${url}` === nameOf(operation))!;
      expect([nameOf(operation), operation.security, operation['x-required-scope']]).toEqual([
        nameOf(operation),
        ...due(access!),
      ]);
      if (access?.kind === 'scope') expect(operation.description).toContain(`\`${access.scope}\``);
    }
  });

  it('names the cookie by which a session is known', () => {
    const secret = newSecret();
    const headers = { cookie: `${document.components.securitySchemes['session']!.name!}=${secret}` };
    expect(readCookie({ headers } as FastifyRequest, true)).toBe(secret);
  });
});

/** `security` and `x-required-scope` of a route. */
function due(access: RouteAccess): [unknown, unknown] {
  const scopes = access.kind === 'scope' ? [access.scope] : [];
  switch (access.kind) {
    case 'public':
      return [[], undefined];
    case 'device':
    case 'broker':
      return [[{ [access.kind]: [] }], undefined];
    default:
      return [[{ bearerKey: scopes }, { session: scopes }], scopes[0]];
  }
}

describe('The description', () => {
  it('has a scheme, a schema and an answer for all that it refers to', () => {
    const nodes = [...nodesOf(document)];
    const refs = nodes.flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []));
    expect(new Set(refs).size).toBeGreaterThan(10);
    for (const ref of refs) {
      const target = ref
        .split('/')
        .slice(1)
        .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
      expect([ref, typeof target]).toEqual([ref, 'object']);
    }
    const { securitySchemes, schemas } = document.components;
    const used = new Set(operations.flatMap(({ security }) => security.flatMap((one) => Object.keys(one))));
    expect([...used].toSorted()).toEqual(Object.keys(securitySchemes).toSorted());
    const unused = Object.keys(schemas).filter((name) => !refs.includes(`#/components/schemas/${name}`));
    expect(unused).toEqual([]);
  });

  it('has the parameters of each path, no parameter twice, and patterns for readers in any language', () => {
    for (const { path, parameters = [] } of operations) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(inPath.every(({ required }) => required)).toBe(true);
      const names = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      expect(new Set(names).size).toBe(names.length);
    }
    const patterns = [...nodesOf(document)].flatMap(({ pattern }) => (typeof pattern === 'string' ? [pattern] : []));
    expect(patterns.length).toBeGreaterThan(10);
    for (const pattern of patterns) {
      expect(() => new RegExp(pattern, 'u')).not.toThrow();
      expect(pattern).not.toContain('\\p');
    }
  });

  it('tells where lists are separated by commas, and where a parameter is repeated', () => {
    const { parameters } = operations.find((operation) => nameOf(operation) === 'GET /v1/devices')!;
    const style = (name: string) => parameters!.find((parameter) => parameter.name === name);
    expect(style('type')).toMatchObject({ in: 'query', style: 'form', explode: false, schema: { type: 'array' } });
    expect(style('tag')).toMatchObject({ in: 'query', style: 'form', explode: true, schema: { type: 'array' } });
  });

  it('has the headers that commands and changes take', () => {
    const headersOf = (name: string) =>
      operations
        .find((operation) => nameOf(operation) === name)!
        .parameters!.flatMap((parameter) => (parameter.in === 'header' ? [parameter.name] : []));
    expect(headersOf('POST /v1/devices/:deviceId/commands')).toEqual(['Idempotency-Key', 'Prefer']);
    expect(headersOf('POST /control')).toEqual(['Idempotency-Key']);
    expect(headersOf('PATCH /v1/devices/:id')).toEqual(['If-Match']);
    expect(headersOf('GET /v1/devices/:id')).toEqual(['If-None-Match']);
  });

  it('differs in open mode only in that users need no login', async () => {
    const open = await createTestApp();
    try {
      const { body } = await get<Document>(`${open.httpUrl}/openapi.json`);
      const users = (operation: Described) => operation.security.some((one) => 'bearerKey' in one);
      for (const operation of operationsOf(body)) {
        const closed = operations.find(({ operationId }) => operationId === operation.operationId)!;
        const security = users(closed) ? [{}, ...closed.security] : closed.security;
        expect(operation).toEqual({ ...closed, security });
      }
      expect(body.components).toEqual(document.components);
    } finally {
      await open.close();
    }
  });
});

describe('What is described', () => {
  const isPublic = ({ security }: Described) => security.length === 0;

  it('is refused without a login and without the scope as it says, with a problem document', async () => {
    const { required = [] } = document.components.schemas['Problem']!;
    for (const operation of operations.filter((one) => !isPublic(one))) {
      const { status, headers, body } = await ask(operation);
      if ('broker' in operation.security[0]!) {
        expect([nameOf(operation), status, Object.keys(operation.responses)]).toEqual([
          nameOf(operation),
          200,
          ['200'],
        ]);
        continue;
      }
      expect([nameOf(operation), status, '401' in operation.responses]).toEqual([nameOf(operation), 401, true]);
      expect(headers.get('content-type')).toBe('application/problem+json');
      expect(Object.keys(body)).toEqual(expect.arrayContaining([...required]));
      if (operation['x-required-scope'] === undefined) continue;
      const { path } = requestFor(operation);
      expect('403' in operation.responses).toBe(true);
      if (operation.method === 'GET') expect([path, (await weak.get(path)).status]).toEqual([path, 403]);
    }
  });

  it('refuses members of bodies that it does not name, and takes no body where it says so', async () => {
    const taking = operations.filter(({ requestBody }) => requestBody?.content['application/json']?.schema);
    for (const operation of taking.filter((one) => isPublic(one) || 'bearerKey' in one.security[0]!)) {
      const { path } = requestFor(operation);
      const { requestBody, method } = operation;
      const login = bearer(ADMIN_KEY);
      const odd = await send<ProblemBody>(method, `${signalbox.httpUrl}${path}`, login, { odd: 1 });
      expect([nameOf(operation), odd.status]).toEqual([nameOf(operation), 400]);
      expect(odd.body.errors).toContainEqual(expect.objectContaining({ pointer: '/odd', code: 'UNKNOWN_FIELD' }));
      const none = await send<ProblemBody>(method, `${signalbox.httpUrl}${path}`, login);
      expect([nameOf(operation), none.status === 400]).toEqual([nameOf(operation), requestBody!.required === true]);
    }
  });

  it('takes bodies of the types that it names, and of no other', async () => {
    const taking = operations.filter(({ requestBody, security }) => requestBody && !('broker' in (security[0] ?? {})));
    const users = taking.filter((one) => isPublic(one) || 'bearerKey' in one.security[0]!);
    const devices = taking.filter((one) => 'device' in (one.security[0] ?? {}));
    expect([users.length > 8, devices.length]).toEqual([true, 2]);
    await admin.post('/v1/devices', { id: 'typed' });
    const { body: credential } = await admin.post<{ secret: string }>('/v1/devices/typed/credentials', {});
    for (const operation of taking) {
      const login = users.includes(operation) ? bearer(ADMIN_KEY) : basic('typed', credential.secret);
      for (const type of [JSON_BODY, ...OTHER_BODIES, 'text/plain']) {
        const { status } = await ask(operation, { ...login, 'content-type': type }, '{"odd": 1}');
        const named = type in operation.requestBody!.content;
        expect([nameOf(operation), type, status === 415]).toEqual([nameOf(operation), type, !named]);
      }
    }
  });

  it('answers lists in the form of its schema, with the default and the highest limit that it names', async () => {
    const lists = operations.filter(({ parameters }) => parameters?.some(({ name }) => name === 'limit'));
    expect(lists.length).toBeGreaterThan(6);
    for (const operation of lists.filter(({ path }) => !path.includes('{'))) {
      const { schema } = operation.parameters!.find(({ name }) => name === 'limit')!;
      const answered = operation.responses['200']!.content!['application/json']!.schema;
      const { status, body } = await admin.get<object>(`${operation.path}?limit=${schema.maximum}`);
      expect([operation.path, status]).toEqual([operation.path, 200]);
      if (answered.type === 'array') expect(body).toBeInstanceOf(Array);
      else expect(Object.keys(body)).toEqual(document.components.schemas['Page']!.required);
      expect((await admin.get(`${operation.path}?limit=${schema.maximum! + 1}`)).status).toBe(400);
      expect(schema.default).toBeLessThan(schema.maximum!);
    }
  });
});
