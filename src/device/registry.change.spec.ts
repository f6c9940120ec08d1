import { describe, expect, it } from '@jest/globals';
import { CHANGE_OF_SEVERAL, changeOf, newsOf, readNews, type RegistryChange } from './registry.change.js';

describe('News of a change', () => {
  it.each<[RegistryChange]>([
    [changeOf('a')],
    [{ deviceId: 'a', ended: 'all' }],
    [{ deviceId: 'a', ended: ['c1'] }],
    [{ deviceId: 'a', ended: ['c1', 'c2'] }],
    [CHANGE_OF_SEVERAL],
  ])('tell %j and whose it is', (change) => {
    expect(readNews(newsOf(change, 'me'))).toEqual({ author: 'me', change });
  });

  it('of a gap mean that anything may have changed, by anybody', () => {
    expect(readNews(null)).toEqual({ author: null, change: CHANGE_OF_SEVERAL });
  });

  it('fit into what a piece of news may hold, with the longest ids', () => {
    const change = { deviceId: 'x'.repeat(128), ended: ['c'.repeat(16), 'd'.repeat(16)] };
    expect(newsOf(change, 'a'.repeat(12)).length).toBeLessThanOrEqual(200);
  });
});
