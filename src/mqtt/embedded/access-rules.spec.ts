import { describe, expect, it } from '@jest/globals';
import { clampKeepalive } from './access-rules.js';

describe('clampKeepalive', () => {
  it.each([
    [0, 0],
    [1, 15],
    [15, 15],
    [60, 60],
    [1_200, 1_200],
    [65_535, 1_200],
  ])('makes %i s into %i s', (asked, kept) => {
    expect(clampKeepalive(asked)).toBe(kept);
  });
});
