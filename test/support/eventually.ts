/**
 * Calls `probe` until it returns a value that is neither undefined, null nor false, and returns that; errors count as "not
 * yet". After `deadlineMs` it throws the last error, or says what was still missing.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    let problem: unknown = null;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
    } catch (error) {
      problem = error;
    }
    if (Date.now() >= end) throw problem ?? new Error(`still not so after ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
