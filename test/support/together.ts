import { beforeAll, it } from '@jest/globals';

/**
 * Tests that wait more than they work, all of them begun at once: none may disturb another, and each brings what it needs. Each
 * is told of as its own. (`it.concurrent` cannot do this: from the end of its first test on nothing can be imported any more.)
 */
export function together(timeoutMs: number, tests: Readonly<Record<string, () => Promise<void>>>): void {
  const ends = new Map<string, PromiseSettledResult<void>>();
  beforeAll(async () => {
    const run = async ([title, test]: readonly [string, () => Promise<void>]): Promise<void> => {
      const [end] = await Promise.allSettled([within(timeoutMs, test())]);
      ends.set(title, end);
    };
    await Promise.all(Object.entries(tests).map(run));
  }, timeoutMs + 10_000);
  for (const title of Object.keys(tests)) {
    it(title, () => {
      const end = ends.get(title);
      if (end?.status !== 'fulfilled') throw end?.reason ?? new Error('it was not begun');
    });
  }
}

async function within(ms: number, test: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not ended after ${ms} ms`)), ms);
  });
  await Promise.race([test, late]).finally(() => clearTimeout(timer));
}
