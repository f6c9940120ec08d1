import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { matchesFilter } from '../common/topic.js';
import { coversFilter, fewestFilters, filtersOverlap, overlappingPairs } from './filter-cover.js';

const LEVELS = ['a', 'b', '$s'] as const;
const level = fc.constantFrom(...LEVELS);
const wild = fc.constantFrom(...LEVELS, '+', '+');
const filter = fc
  .tuple(fc.array(wild, { maxLength: 3 }), fc.constantFrom('#', 'a', '+'))
  .map(([levels, last]) => [...levels, last].join('/'));
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));

/** Every topic of up to five levels that these filters could tell apart. */
function allTopics(): string[] {
  const all: string[] = [];
  let longest: string[] = [''];
  for (let depth = 1; depth <= 5; depth++) {
    longest = longest.flatMap((start) => [...LEVELS, 'c'].map((next) => (depth === 1 ? next : `${start}/${next}`)));
    all.push(...longest);
  }
  return all;
}
const TOPICS = allTopics();

describe('coversFilter', () => {
  it.each([
    ['devices/+/up/#', 'devices/+/up/telemetry', true],
    ['devices/+/up/#', 'devices/+/up', true],
    ['devices/#', 'devices/+/up/#', true],
    ['devices/+/up/telemetry', 'devices/+/up/#', false],
    ['devices/+', 'devices/#', false],
    ['+/x', '$SYS/x', false],
    ['#', '$SYS/#', false],
    ['demo/#', 'devices/#', false],
  ])('says of %s and %s: %s', (wide, narrow, answer) => {
    expect(coversFilter(wide, narrow)).toBe(answer);
  });

  it('is right about every topic', () => {
    fc.assert(
      fc.property(filter, filter, topic, (wide, narrow, one) => {
        fc.pre(coversFilter(wide, narrow) && matchesFilter(narrow, one));
        expect(matchesFilter(wide, one)).toBe(true);
      }),
    );
  });
});

describe('filtersOverlap', () => {
  it('says exactly whether some topic matches both', () => {
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        const both = TOPICS.some((t) => matchesFilter(one, t) && matchesFilter(other, t));
        expect(filtersOverlap(one, other)).toBe(both);
        expect(filtersOverlap(other, one)).toBe(both);
      }),
      { numRuns: 300 },
    );
  });
});

describe('fewestFilters', () => {
  it('matches exactly the same topics', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 6 }), topic, (filters, one) => {
        const before = filters.some((f) => matchesFilter(f, one));
        expect(fewestFilters(filters).some((f) => matchesFilter(f, one))).toBe(before);
      }),
    );
  });

  it('leaves none that another one covers', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 6 }), (filters) => {
        const fewest = fewestFilters(filters);
        for (const a of fewest) for (const b of fewest) if (a !== b) expect(coversFilter(a, b)).toBe(false);
      }),
    );
  });

  it('reduces those of our handlers to what they share', () => {
    const filters = ['devices/+/up/telemetry', 'devices/+/up/#', 'devices/+/up/status', 'poc/+/sensor', 'demo/#'];
    expect(fewestFilters(filters)).toEqual(['devices/+/up/#', 'poc/+/sensor', 'demo/#']);
  });
});

describe('overlappingPairs', () => {
  it('names those that match some topics in common', () => {
    expect(overlappingPairs(['devices/+/up/#', 'devices/d1/+/x', 'demo/#'])).toEqual([
      ['devices/+/up/#', 'devices/d1/+/x'],
    ]);
  });
});
