import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { addressOf } from './client-address.js';
import { COMMAND_TYPE } from './ids.js';

/** What a key may be allowed to do (contract section 8). `admin` holds all others. */
export const SCOPES = [
  'telemetry:read',
  'telemetry:write',
  'devices:read',
  'devices:write',
  'commands:read',
  'commands:send',
  'stream:read',
  'webhooks:manage',
  'messages:read',
  'mqtt:publish',
  'metrics:read',
  'admin',
] as const;

/** What a route asks for. A key may hold less than `commands:send`: `commands:send:<type>`, for commands of that type. */
export type Scope = (typeof SCOPES)[number];

/** True where a key may be given this scope: one of {@link SCOPES}, or `commands:send:<type>`. */
export function isGrantable(scope: string): boolean {
  const [, type] = /^commands:send:(.*)$/s.exec(scope) ?? [];
  return type === undefined ? (SCOPES as readonly string[]).includes(scope) : COMMAND_TYPE.test(type);
}

/** Labels of a device: values by key. */
export type Tags = Readonly<Record<string, string>>;

/**
 * Who asks, however they have shown it: with an API key or a session made with one, with the credential of a device, or not
 * at all in open mode. Nothing that decides on access looks at anything but this.
 */
export interface Principal {
  /** `anyone`: open mode. `broker`: a request through a broker elsewhere, which decides itself who may make one. */
  readonly kind: 'anyone' | 'key' | 'device' | 'broker';
  /** What names it in histories and in the audit log: the id of the key or device, else the kind. */
  readonly id: string;
  /** As they were granted, `commands:send:<type>` included. */
  readonly scopes: ReadonlySet<string>;
  /** It sees only devices that carry all of these; null: every device. */
  readonly tags: Tags | null;
}

const ALL: ReadonlySet<string> = new Set(['admin']);
const NONE: ReadonlySet<string> = new Set();

/** Whoever asks in open mode: they may do everything. */
export const ANYONE: Principal = { kind: 'anyone', id: 'anyone', scopes: ALL, tags: null };

/** Whoever a broker elsewhere lets publish requests. */
export const BROKER: Principal = { kind: 'broker', id: 'broker', scopes: ALL, tags: null };

/** The device itself. */
export function devicePrincipal(deviceId: string): Principal {
  return { kind: 'device', id: deviceId, scopes: NONE, tags: null };
}

/** True where the principal may make requests that need `scope`; of `commands:send` this is true for one type already. */
export function holds({ scopes }: Principal, scope: Scope): boolean {
  if (scopes.has('admin') || scopes.has(scope)) return true;
  return scope === 'commands:send' && [...scopes].some((granted) => granted.startsWith('commands:send:'));
}

/** True where the principal may send commands of this type. */
export function maySend({ scopes }: Principal, type: string): boolean {
  return scopes.has('admin') || scopes.has('commands:send') || scopes.has(`commands:send:${type}`);
}

/** True where a device with these tags is one that the principal may see. */
export function sees({ tags: needed }: Principal, tags: Tags): boolean {
  return needed === null || Object.entries(needed).every(([key, value]) => tags[key] === value);
}

const ended = new WeakSet<Principal>();

/** The login that this very principal was made for has been revoked or has expired. */
export function endLogin(principal: Principal): void {
  ended.add(principal);
}

/** True where {@link endLogin} was said of this principal: what it asked for and is not begun yet must not be done. */
export function hasEnded(principal: Principal): boolean {
  return ended.has(principal);
}

/** What a route declares of who may use it. A route that declares nothing is refused to everybody. */
export type RouteAccess =
  | { readonly kind: 'public' }
  | { readonly kind: 'scope'; readonly scope: Scope }
  | { readonly kind: 'user' }
  | { readonly kind: 'device' }
  | { readonly kind: 'broker' };

export const ROUTE_ACCESS = 'signalbox:access';

type RouteDecorator = ClassDecorator & MethodDecorator;
const declare = (access: RouteAccess): RouteDecorator => SetMetadata(ROUTE_ACCESS, access);

/** The route is for everybody, and says nothing of devices or users. */
export const Public = (): RouteDecorator => declare({ kind: 'public' });

/** The route is for keys with this scope. */
export const RequireScope = (scope: Scope): RouteDecorator => declare({ kind: 'scope', scope });

/** The route is for every key, whatever its scopes, and tells or changes nothing beyond the login itself. */
export const ForUsers = (): RouteDecorator => declare({ kind: 'user' });

/** The route is for devices: HTTP Basic, the device id as the user name and its credential as the password. */
export const ForDevices = (): RouteDecorator => declare({ kind: 'device' });

/** The route is for a broker that asks who may do what; it checks its secret itself, because such a broker needs its answer in a form of its own. */
export const ForBroker = (): RouteDecorator => declare({ kind: 'broker' });

const principals = new WeakMap<FastifyRequest, Principal>();

/** Notes who makes the request. Called once, by the guard. */
export function identify(request: FastifyRequest, principal: Principal): void {
  principals.set(request, principal);
}

/** Who makes the request; null where it is a public route and nobody said. */
function principalOf(request: FastifyRequest): Principal | null {
  return principals.get(request) ?? null;
}

/** Who makes the request, in a parameter of a handler whose route is not public. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const principal = principalOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (!principal) throw new Error('nobody is known to make this request: its route needs a scope');
  return principal;
});

/** The id of the device that calls a route marked with {@link ForDevices}. */
export const CallingDevice = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const principal = principalOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (principal?.kind !== 'device') throw new Error('no device is known to make this request');
  return principal.id;
});

/** Who changes something, as the audit log has it. `ip`, `requestId`: null where no request is behind it. */
export interface Actor {
  readonly id: string;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** Who changes something by this request, in a parameter of a handler. */
export const ChangedBy = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  return { id: principalOf(request)?.id ?? 'nobody', ip: addressOf(request), requestId: request.id };
});
