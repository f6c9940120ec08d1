/** One place in a request that is wrong: a JSON pointer (RFC 6901), a query parameter or a header. */
export interface ErrorDetail {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly header?: string;
  readonly detail: string;
  readonly code: string;
}

/** What a code means everywhere: its HTTP status and its short, fixed title. */
export interface ErrorSpec {
  readonly status: number;
  readonly title: string;
}

/**
 * Extras of one occurrence. `status`: another than the code mostly has; `retryAfter` is in whole seconds (RFC 9110, 10.2.3);
 * `extra` becomes members of the problem document.
 */
export interface ErrorOptions {
  readonly status?: number;
  readonly errors?: readonly ErrorDetail[];
  readonly retryAfter?: number;
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error with a stable code. Services throw it, the HTTP and RPC filters translate it; `message` is shown to the caller. */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  readonly spec: ErrorSpec;

  constructor(
    readonly code: string,
    { status, title }: ErrorSpec,
    detail: string,
    readonly options: ErrorOptions = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.spec = { status: options.status ?? status, title };
  }
}

/** True for an error that says "not now", such as STORAGE_UNAVAILABLE: the same call may succeed later as it is. */
export function isPassing(error: unknown): boolean {
  return error instanceof DomainError && error.spec.status === 503;
}

type ErrorFactories<T extends Record<string, ErrorSpec>> = {
  readonly [Code in keyof T & string]: (detail: string, options?: ErrorOptions) => DomainError;
};

/** Every code that exists, in the order of definition; docs/errors.md is held to it by a test. */
export const errorCatalogue = new Map<string, ErrorSpec>();

/** Declares coded errors and returns one factory per code: `const Errors = defineErrors({EMPTY: {..}}); throw Errors.EMPTY('..')`. */
export function defineErrors<const T extends Record<string, ErrorSpec>>(specs: T): ErrorFactories<T> {
  const factories: Record<string, (detail: string, options?: ErrorOptions) => DomainError> = {};
  for (const [code, spec] of Object.entries(specs)) {
    if (errorCatalogue.has(code)) throw new Error(`error code ${code} is defined twice`);
    errorCatalogue.set(code, spec);
    factories[code] = (detail, options) => new DomainError(code, spec, detail, options);
  }
  return factories as ErrorFactories<T>;
}
