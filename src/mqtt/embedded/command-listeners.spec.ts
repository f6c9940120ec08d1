import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { filterProblem, matchesFilter } from '../../common/topic.js';
import { listenedDevice } from './command-listeners.js';

describe('The device that a filter listens for', () => {
  it.each([
    ['site/a/d1/down/commands/+', 'site/a', 'd1'],
    ['site/a/d1/#', 'site/a', 'd1'],
    ['site/+/d1/down/#', 'site/a', 'd1'],
    ['site/a/#', 'site/a', null],
    ['site/a/+/down/commands/+', 'site/a', null],
    ['site/b/d1/down/commands/+', 'site/a', null],
    ['site/d1/down/commands/+', 'site', 'd1'],
    ['site/d1/down/commands/+', 'site/a', null],
    ['a/d1', 'a', null],
    ['a', 'a', null],
  ])('of %s below %s is %s', (filter, prefix, device) => {
    expect(listenedDevice(filter, prefix)).toBe(device);
  });

  it('is one that the filter names, and all of whose commands it matches', () => {
    const level = fc.constantFrom('p', 'q', 'd1', 'd2', 'down', 'commands', '+', '#', 'x');
    const filters = fc.array(level, { minLength: 1, maxLength: 7 }).map((levels) => levels.join('/'));
    const valid = filters.filter((filter) => filterProblem(filter) === null);
    fc.assert(
      fc.property(valid, fc.constantFrom('p', 'p/q'), fc.constantFrom('d1', 'd2'), (filter, prefix, device) => {
        const topics = ['1', 'x', 'commands'].map((id) => `${prefix}/${device}/down/commands/${id}`);
        const names = filter.split('/')[prefix.split('/').length] === device;
        const listens = names && topics.every((topic) => matchesFilter(filter, topic));
        expect(listenedDevice(filter, prefix) === device).toBe(listens);
      }),
      { numRuns: 2_000 },
    );
  });
});
