import { RequestMethod, type Type } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { MetadataScanner, type ModulesContainer, Reflector } from '@nestjs/core';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import { ROUTE_ACCESS, type RouteAccess } from '../common/access.js';
import { DeviceIdPipe } from '../common/device-id.pipe.js';
import { EmptyBodyPipe } from '../common/empty-body.pipe.js';
import { optionalBodyOf } from '../common/optional-body.js';
import { bodiesOf, isAsBytes } from '../common/raw-body.js';

/** What a route takes as its body: a DTO class, bytes that the handler judges, or an empty object. */
export interface RouteBody {
  readonly form: Type<object> | 'bytes' | 'empty';
  readonly required: boolean;
  readonly mediaTypes: readonly string[];
}

/** A route, as its own metadata declares it to Nest and to the guard. */
export interface Route {
  readonly method: string;
  /** Without a slash at its end; parameters as `:name`. */
  readonly path: string;
  readonly operationId: string;
  readonly access: RouteAccess;
  /** The status of an answer, where the handler sets no other. */
  readonly status: number;
  /** Parameters of the path that are checked to be device ids. */
  readonly deviceIds: ReadonlySet<string>;
  readonly query: Type<object> | null;
  readonly body: RouteBody | null;
  /** Headers that the handler asks Nest for, in lower case. */
  readonly headers: readonly string[];
}

const { BODY, QUERY, PARAM, HEADERS }: Readonly<Record<string, string | number>> = RouteParamtypes;

interface Argument {
  /** One of RouteParamtypes, or none of ours. */
  readonly kind: number;
  readonly name: string | undefined;
  readonly type: unknown;
  readonly pipes: readonly unknown[];
}

/** Every controller of an application, created or only previewed. */
export function controllersIn(modules: ModulesContainer): readonly Type[] {
  return [...modules.values()].flatMap(({ controllers }) =>
    [...controllers.values()].map(({ metatype }) => metatype as Type),
  );
}

/** The routes of these controllers, sorted by path and method. Throws for one that does not declare who may use it. */
export function routesOf(controllers: readonly Type[]): readonly Route[] {
  const name = ({ path, method }: Route): string => `${path} ${method}`;
  return controllers
    .flatMap((controller) => [...routesIn(controller)])
    .toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}

function* routesIn(controller: Type): Generator<Route> {
  const prototype = controller.prototype as Readonly<Record<string, unknown>>;
  for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
    const handler = prototype[name] as () => unknown;
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    if (method === undefined) continue;
    const access = new Reflector().getAllAndOverride<RouteAccess | undefined>(ROUTE_ACCESS, [handler, controller]);
    if (!access) throw new Error(`${controller.name}.${name} does not declare who may use it`);
    const given = argumentsOf(controller, name);
    const config = (Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, handler) ?? {}) as object;
    const code = Reflect.getMetadata(HTTP_CODE_METADATA, handler) as number | undefined;
    for (const path of pathsOf(controller).flatMap((base) => pathsOf(handler).map((end) => joined(base, end)))) {
      yield {
        method: RequestMethod[method],
        path,
        operationId: operationIdOf(controller, name),
        access,
        status: code ?? (method === RequestMethod.POST ? 201 : 200),
        deviceIds: new Set(
          given.flatMap(({ kind, name: parameter, pipes }) =>
            kind === PARAM && parameter && pipes.includes(DeviceIdPipe) ? [parameter] : [],
          ),
        ),
        query: (given.find(({ kind }) => kind === QUERY)?.type as Type<object> | undefined) ?? null,
        body: bodyOf(handler, given, config),
        headers: given.flatMap(({ kind, name: header }) => (kind === HEADERS && header ? [header] : [])),
      };
    }
  }
}

function argumentsOf({ prototype }: Type, name: string): readonly Argument[] {
  const { constructor } = prototype as object;
  type Declared = Readonly<
    Record<string, { readonly index: number; readonly data?: unknown; readonly pipes?: readonly unknown[] }>
  >;
  const declared = (Reflect.getMetadata(ROUTE_ARGS_METADATA, constructor, name) ?? {}) as Declared;
  const types = (Reflect.getMetadata('design:paramtypes', prototype as object, name) ?? []) as readonly unknown[];
  return Object.entries(declared).map(([key, { index, data, pipes = [] }]) => ({
    kind: Number(key.split(':', 1)[0]),
    name: typeof data === 'string' ? data : undefined,
    type: types[index],
    pipes,
  }));
}

function bodyOf(handler: object, given: readonly Argument[], config: object): RouteBody | null {
  const mediaTypes = bodiesOf(config);
  if (isAsBytes(config)) return { form: 'bytes', required: true, mediaTypes };
  const optional = optionalBodyOf(handler);
  if (optional) return { form: optional, required: false, mediaTypes };
  const body = given.find(({ kind }) => kind === BODY);
  if (!body) return null;
  if (body.pipes.includes(EmptyBodyPipe)) return { form: 'empty', required: false, mediaTypes };
  return { form: body.type as Type<object>, required: true, mediaTypes };
}

function pathsOf(target: object): readonly string[] {
  return [Reflect.getMetadata(PATH_METADATA, target) as string | readonly string[]].flat();
}

function joined(...parts: readonly string[]): string {
  return `/${parts
    .map((part) => part.replaceAll(/^\/+|\/+$/g, ''))
    .filter(Boolean)
    .join('/')}`;
}

/** `DeviceHttpController.create` is `deviceCreate`. */
function operationIdOf({ name }: Type, handler: string): string {
  const noun = name.replace(/HttpController$/, '');
  return `${noun.charAt(0).toLowerCase()}${noun.slice(1)}${handler.charAt(0).toUpperCase()}${handler.slice(1)}`;
}
