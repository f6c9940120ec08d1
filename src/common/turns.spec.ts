import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Turns } from './turns.js';

describe('Works of one key', () => {
  it('run one after the other, in order, whatever becomes of them; others run beside them', async () => {
    const works = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', '__proto__'), fails: fc.boolean(), ticks: fc.nat(4) }),
    );
    await fc.assert(
      fc.asyncProperty(works, async (list) => {
        const turns = new Turns();
        const running = new Map<string, number>();
        const begun: string[] = [];
        const results = await Promise.allSettled(
          list.map(({ key, fails, ticks }, i) =>
            turns.take(key, async () => {
              expect(running.get(key) ?? 0).toBe(0);
              running.set(key, 1);
              begun.push(`${key} ${i}`);
              for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
              running.set(key, 0);
              if (fails) throw new Error(`${i}`);
              return i;
            }),
          ),
        );
        for (const key of ['a', 'b', '__proto__']) {
          const expected = list.flatMap((work, i) => (work.key === key ? [`${key} ${i}`] : []));
          expect(begun.filter((one) => one.startsWith(`${key} `))).toEqual(expected);
        }
        expect(results.map(({ status }) => status)).toEqual(
          list.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
      }),
    );
  });
});
