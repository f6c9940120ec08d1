/** An answer with its body parsed where it is JSON. */
export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

/** GETs a URL; rejects when `signal` aborts, and the connection is closed then. */
export function get<T = unknown>(
  url: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Answer<T>> {
  return request<T>(url, { headers, ...(signal && { signal }) });
}

/** POSTs JSON; a string or bytes go out as they are. */
export function post<T = unknown>(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  return send<T>('POST', url, { 'content-type': 'application/json', ...headers }, body);
}

/** DELETEs a URL. */
export function remove<T = unknown>(url: string, headers: Record<string, string> = {}): Promise<Answer<T>> {
  return request<T>(url, { method: 'DELETE', headers });
}

/** Sends any request; a body goes out as JSON, a string or bytes as they are. */
export function send<T = unknown>(
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Answer<T>> {
  if (body === undefined) return request<T>(url, { method, headers });
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  return request<T>(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
  });
}

async function request<T>(url: string, init: RequestInit): Promise<Answer<T>> {
  const response = await fetch(url, init);
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: (json ? JSON.parse(text) : text) as T };
}

/** The problem document of RFC 9457 as Signalbox sends it. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly {
    readonly pointer?: string;
    readonly parameter?: string;
    readonly detail: string;
    readonly code: string;
  }[];
}
