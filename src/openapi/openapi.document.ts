import type { Type } from '@nestjs/common';
import { DEVICE_ID } from '../common/ids.js';
import type { JsonSchema } from '../common/json-schema.js';
import { isRepeatable } from '../common/repeatable.js';
import { NAME, VERSION } from '../common/version.js';
import { NAMED_HEADERS, problemAnswer, PROBLEMS, REQUEST_HEADERS, SHARED_SCHEMAS } from './openapi.components.js';
import { OPERATIONS, type OperationNotes } from './openapi.operations.js';
import { type Route, type RouteBody, routesOf } from './openapi.routes.js';
import { objectSchema, propertiesOf } from './openapi.schema.js';
import { protectionOf, SECURITY_SCHEMES } from './openapi.security.js';

const ANY_JSON = 'application/json';

/** Whether these routes ask users for a login: in open mode they do not. */
export interface DocumentOptions {
  readonly required: boolean;
}

/**
 * Describes the routes of these controllers in OpenAPI 3.1, from what Nest, the guard and the pipe read of them as well. Throws
 * for a route that does not declare who may use it, and for a rule of a DTO class that has no JSON Schema.
 */
export function openApiDocument(controllers: readonly Type[], { required }: DocumentOptions): object {
  const schemas = new Map<string, Type<object>>();
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routesOf(controllers)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, required, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: NAME,
      version: VERSION,
      summary: 'MQTT <-> REST device gateway: sensors in, control out, and never a lie about either.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths,
    components: {
      securitySchemes: SECURITY_SCHEMES,
      responses: PROBLEMS,
      schemas: {
        ...SHARED_SCHEMAS,
        ...Object.fromEntries([...schemas].map(([name, dto]) => [name, objectSchema(dto)])),
      },
    },
  };
}

function operation(route: Route, required: boolean, schemas: Map<string, Type<object>>): object {
  const { method, path, operationId, access, body } = route;
  const notes: Partial<OperationNotes> = OPERATIONS[`${method} ${path}`] ?? {};
  const { security, sentence, scope, refusals } = protectionOf(access, required);
  const parameters = [...pathParameters(route), ...queryParameters(route), ...headerParameters(route, notes)];
  return {
    operationId,
    tags: [tagOf(path)],
    ...(notes.summary === undefined ? {} : { summary: notes.summary }),
    description: sentence,
    security,
    ...(scope === null ? {} : { 'x-required-scope': scope }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: requestBody(body, schemas) } : {}),
    ...(notes.takesObject
      ? { requestBody: { required: true, content: { [ANY_JSON]: { schema: { type: 'object' } } } } }
      : {}),
    responses: {
      ...answers(route, notes),
      ...(access.kind === 'broker' ? {} : problems(route, refusals)),
    },
  };
}

/** The noun that the path begins with; the routes outside of `/v1` are the simple ones. */
function tagOf(path: string): string {
  const [, area, noun] = path.split('/');
  return area === 'internal' ? area : area === 'v1' ? noun! : 'simple';
}

function pathParameters({ path, deviceIds }: Route): object[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', ...(deviceIds.has(name!) ? { pattern: DEVICE_ID.source } : {}) },
  }));
}

function queryParameters({ query }: Route): object[] {
  if (!query) return [];
  return propertiesOf(query).map(({ name, required, schema }) => ({
    name,
    in: 'query',
    ...(required ? { required } : {}),
    ...(schema['type'] === 'array' ? { style: 'form', explode: isRepeatable(query, name) } : {}),
    schema,
  }));
}

function headerParameters({ headers }: Route, notes: Partial<OperationNotes>): object[] {
  const named = headers.flatMap((header) => NAMED_HEADERS[header] ?? []);
  const noted = (notes.headers ?? []).map((name) => ({ name, ...REQUEST_HEADERS[name] }));
  return [...named.map((header) => ({ ...header, schema: { type: 'string' } })), ...noted].map(({ name, ...rest }) => ({
    name,
    in: 'header',
    ...rest,
  }));
}

function requestBody({ form, required, mediaTypes }: RouteBody, schemas: Map<string, Type<object>>): object {
  const content = mediaTypes.map((type) => [type, { schema: bodySchema(form, type, schemas) }] as const);
  return { ...(required ? { required } : {}), content: Object.fromEntries(content) };
}

function bodySchema(form: RouteBody['form'], mediaType: string, schemas: Map<string, Type<object>>): JsonSchema {
  if (form === 'empty') return { type: 'object', maxProperties: 0 };
  if (form === 'bytes') return mediaType === ANY_JSON ? {} : { type: 'string' };
  const name = form.name.replace(/Dto$/, '');
  if ((schemas.get(name) ?? form) !== form) throw new Error(`two classes of bodies are called ${name}`);
  schemas.set(name, form);
  return { $ref: `#/components/schemas/${name}` };
}

function answers({ status }: Route, { answer, answersIn = [], also = {} }: Partial<OperationNotes>): object {
  const schema =
    answer === 'page'
      ? { $ref: '#/components/schemas/Page' }
      : { type: answer ?? 'object', ...(answer === 'array' ? { items: { type: 'object' } } : {}) };
  const content = {
    [ANY_JSON]: { schema },
    ...Object.fromEntries(answersIn.map((type) => [type, { schema: { type: 'string' } }])),
  };
  const answerOf = (code: number, description: string): object =>
    code === 204 || code === 304
      ? { description }
      : code === 401 || code === 403
        ? problemAnswer(description)
        : { description, content };
  const usual = { [status]: answerOf(status, status === 204 ? 'Done.' : 'As asked for.') };
  const others = Object.entries(also).map(([code, description]) => [code, answerOf(Number(code), description)]);
  return { ...usual, ...(Object.fromEntries(others) as object) };
}

function problems({ path, query, body }: Route, refusals: readonly (401 | 403)[]): object {
  const statuses = [...(query || body ? [400] : []), ...refusals, ...(path.includes(':') ? [404] : []), 'default'];
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${status}` }]));
}
