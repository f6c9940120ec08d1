import { defineErrors } from './errors.js';

/** Errors of intervals in queries. */
const IntervalErrors = defineErrors({
  BAD_RANGE: { status: 400, title: 'The interval ends before it begins' },
});

/** Throws BAD_RANGE where the half-open interval `[from, to)` (epoch milliseconds; absent = open) ends before it begins. */
export function refuseBackwards(from: number | null | undefined, to: number | null | undefined): void {
  if (typeof from !== 'number' || typeof to !== 'number' || from <= to) return;
  const detail = 'from must not be later than to';
  throw IntervalErrors.BAD_RANGE(`${detail}.`, { errors: [{ parameter: 'from', detail, code: 'BAD_RANGE' }] });
}
