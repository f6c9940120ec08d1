/** Signalbox says no, or says "not now" for too long. */
export class RefusedError extends Error {
  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** Signalbox does not answer, or nobody wants its answer any more. */
export class UnreachableError extends Error {}

/** What a response that is no success says, whether it is a problem document (RFC 9457) or not. */
export function refusalOf(status: number, text: string): RefusedError {
  let problem: { readonly code?: unknown; readonly detail?: unknown } = {};
  try {
    problem = (JSON.parse(text) ?? {}) as typeof problem;
  } catch {
    // Not every answer is one of Signalbox.
  }
  const code = typeof problem.code === 'string' ? problem.code : `HTTP_${status}`;
  return new RefusedError(code, typeof problem.detail === 'string' ? problem.detail : `The answer is ${status}.`);
}

/** Why `fetch` got no answer. */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { readonly cause?: Error & { readonly code?: string } };
  return cause?.code ?? cause?.message ?? message;
}
