import type { Statement } from './database.js';
import { StatementError } from './storage.errors.js';

/** The statement's text and parameters in characters and bytes. Throws {@link StatementError} where a parameter is no value. */
export function sizeOfStatement({ sql, parameters }: Statement): number {
  return parameters.reduce<number>((size, value) => size + sizeOfValue(value), sql.length);
}

function sizeOfValue(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol'))
    return 8;
  throw new StatementError('STATEMENT', 'a parameter is neither a number, a string, bytes nor null');
}
