import { describe, expect, it } from '@jest/globals';
import { LimitedLog } from './limited-log.js';

describe('LimitedLog', () => {
  it('writes one line a second per kind, and says how many were left out', () => {
    let now = 0;
    const lines: unknown[] = [];
    const log = new LimitedLog({ warn: (line: unknown) => lines.push(line) }, () => now);
    for (let i = 0; i < 5; i++) log.warn('a', () => ({ i }));
    log.warn('b', () => ({ i: 'b' }));
    now += 1_000;
    log.warn('a', () => ({ i: 5 }));
    expect(lines).toEqual([{ i: 0 }, { i: 'b' }, { i: 5, suppressed: 4 }]);
  });
});
