import type { Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { RequestMethod } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { RouteOptions } from 'fastify';
import { ROUTE_ACCESS, type RouteAccess } from '../../src/common/access.js';

/** A route that the running application has; `access` is what it declares, null where it declares nothing. */
export interface ServedRoute {
  readonly method: string;
  readonly url: string;
  readonly access: RouteAccess | null;
}

/** Gathers what is registered with Fastify from now on, whoever registers it; HEAD is left out, which Fastify adds to GET. */
export function gatherRoutes(app: NestFastifyApplication): () => ServedRoute[] {
  const registered: { readonly method: string; readonly url: string }[] = [];
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }: RouteOptions) => {
      for (const one of [method].flat()) if (one !== 'HEAD') registered.push({ method: one, url });
    });
  return () => {
    const declared = declaredAccess(app);
    return registered.map((route) => ({ ...route, access: declared.get(`${route.method} ${route.url}`) ?? null }));
  };
}

function declaredAccess(app: NestFastifyApplication): ReadonlyMap<string, RouteAccess | null> {
  const controllers = [...app.get(ModulesContainer).values()].flatMap(({ controllers: all }) => [...all.values()]);
  return new Map(controllers.flatMap(({ metatype }) => [...routesOf(metatype as Type)]));
}

function* routesOf(controller: Type): Generator<[string, RouteAccess | null]> {
  const base = pathOf(controller);
  for (const name of Object.getOwnPropertyNames(controller.prototype)) {
    const handler: unknown = (controller.prototype as Record<string, unknown>)[name];
    if (typeof handler !== 'function') continue;
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    if (method === undefined) continue;
    const url = `/${[base, pathOf(handler)].filter((part) => part !== '').join('/')}`;
    const access = [handler, controller].map((at) => Reflect.getMetadata(ROUTE_ACCESS, at) as RouteAccess | undefined);
    yield [`${RequestMethod[method]} ${url}`, access.find((one) => one !== undefined) ?? null];
  }
}

function pathOf(target: object): string {
  return (Reflect.getMetadata(PATH_METADATA, target) as string).replaceAll(/^\/+|\/+$/g, '');
}
