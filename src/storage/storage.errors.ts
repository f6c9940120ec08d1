import { defineErrors } from '../common/errors.js';

/** What the storage answers for itself; a statement's own fault is a {@link StatementError}. */
export const StorageErrors = defineErrors({
  STORAGE_UNAVAILABLE: { status: 503, title: 'The database is not available' },
  RESULT_TOO_LARGE: { status: 400, title: 'The result is too large to hold in memory' },
});

/** Whole seconds after which a caller may try again. */
const RETRY_AFTER_SECONDS = 2;

/** A STORAGE_UNAVAILABLE: nothing was committed as far as we know, the same call may be repeated. */
export function unavailable(detail: string, cause?: unknown): Error {
  return StorageErrors.STORAGE_UNAVAILABLE(detail, { retryAfter: RETRY_AFTER_SECONDS, cause });
}

/** A statement that the database refused for its own fault: a constraint, a wrong type, bad SQL. `code` is the driver's. */
export class StatementError extends Error {
  override readonly name = 'StatementError';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
