import { apiKeyText, newKeyId, newSecret } from '../../src/common/secrets.js';
import { createTestApp, type TestApp } from './app.js';
import { type Answer, send } from './http.js';

/** A new API key that nobody knows yet, such as for ADMIN_KEY. */
export function newKeyText(): string {
  return apiKeyText(newKeyId(), newSecret());
}

/** Requests of one caller to paths of one application; bodies go out as JSON. */
export interface Requests {
  get<T = unknown>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
  post<T = unknown>(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer<T>>;
  patch<T = unknown>(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer<T>>;
  delete<T = unknown>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
}

/** Requests to the application at `url` with these headers; `{}`: of somebody who has not logged in. */
export function requestsWith(url: string, own: Record<string, string>): Requests {
  const call = <T>(method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    send<T>(method, `${url}${path}`, { ...own, ...headers }, body);
  return {
    get: (path, headers = {}) => call('GET', path, headers),
    post: (path, body, headers = {}) => call('POST', path, headers, body),
    patch: (path, body, headers = {}) => call('PATCH', path, headers, body),
    delete: (path, headers = {}) => call('DELETE', path, headers),
  };
}

/** What goes into the header Authorization with this key. */
export function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

/** What goes into the header Authorization with this login of a device. */
export function basic(deviceId: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${deviceId}:${secret}`).toString('base64')}` };
}

/** The real application with access required, and its admin key. */
export interface RequiredApp extends TestApp {
  readonly adminKey: string;
  /** Requests with this API key. */
  as(key: string): Requests;
  /** Requests with the admin key. */
  readonly admin: Requests;
  /** Requests without a login. */
  readonly anonymous: Requests;
}

/** Starts Signalbox with ACCESS=required. `settings`, `dataDir` and `prepare` as in {@link createTestApp}; ADMIN_KEY is a new key unless it is among them. */
export async function startRequired(
  settings: Record<string, string> = {},
  dataDir?: string,
  prepare?: Parameters<typeof createTestApp>[3],
): Promise<RequiredApp> {
  const adminKey = settings['ADMIN_KEY'] ?? newKeyText();
  const box = await createTestApp({ ACCESS: 'required', ADMIN_KEY: adminKey, ...settings }, dataDir, {}, prepare);
  const as = (key: string) => requestsWith(box.httpUrl, bearer(key));
  return { ...box, adminKey, as, admin: as(adminKey), anonymous: requestsWith(box.httpUrl, {}) };
}
