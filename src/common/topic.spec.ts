import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { filterProblem, matchesFilter, topicProblem, TopicTemplate } from './topic.js';

describe('topicProblem', () => {
  it.each(['a', 'a/b', '/flask/x', 'grün/ñ', 'a//b'])('accepts %j', (topic) => {
    expect(topicProblem(topic)).toBeNull();
  });

  it.each([
    ['', 'empty'],
    ['a/+', 'wildcard'],
    ['a/#', 'wildcard'],
    ['$SYS/x', 'reserved'],
    ['a\0b', 'printed'],
    ['a\nb', 'printed'],
    ['a\uFFFDb', 'printed'],
    ['a\uD800', 'printed'],
    ['x'.repeat(257), '256 bytes'],
    ['ü'.repeat(129), '256 bytes'],
    ['1/2/3/4/5/6/7/8/9', '8 levels'],
  ])('refuses %j: %s', (topic, why) => {
    expect(topicProblem(topic)).toContain(why);
  });
});

describe('filterProblem', () => {
  it.each(['#', '+', 'a/+/b', 'a/#', '+/+', '/#', '$SYS/#'])('accepts %j', (filter) => {
    expect(filterProblem(filter)).toBeNull();
  });

  it.each(['', 'a#', 'a/#/b', '#/a', 'a+/b', '+a', 'a/b+'])('refuses %j', (filter) => {
    expect(filterProblem(filter)).not.toBeNull();
  });
});

describe('matchesFilter', () => {
  it.each([
    ['sport/tennis/#', 'sport/tennis', true], // the parent level, MQTT 3.1.1 section 4.7.1.2
    ['sport/tennis/#', 'sport/tennis/player1/ranking', true],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/x', false], // [MQTT-4.7.2-1]
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
  ])('%j on %j is %s', (filter, topic, expected) => {
    expect(matchesFilter(filter, topic)).toBe(expected);
  });

  const level = fc.stringMatching(/^[a-z]{0,3}$/);

  it('matches a topic by a filter in which any levels became + and any tail #', () => {
    const sample = fc.array(level, { minLength: 1, maxLength: 8 }).chain((levels) =>
      fc.record({
        levels: fc.constant(levels),
        plus: fc.array(fc.boolean(), { minLength: levels.length, maxLength: levels.length }),
        cut: fc.option(fc.integer({ min: 0, max: levels.length }), { nil: null }),
      }),
    );
    fc.assert(
      fc.property(sample, ({ levels, plus, cut }) => {
        const replaced = levels.map((text, i) => (plus[i] ? '+' : text));
        const filter = (cut === null ? replaced : [...replaced.slice(0, cut), '#']).join('/');
        expect(matchesFilter(filter, levels.join('/'))).toBe(true);
      }),
    );
  });
});

describe('TopicTemplate', () => {
  it('names levels of a topic and puts them back', () => {
    const template = new TopicTemplate('poc/{deviceId}/sensor');
    expect(template.filter).toBe('poc/+/sensor');
    expect(template.match('poc/kitchen/sensor')).toEqual({ deviceId: 'kitchen' });
    expect(template.match('poc/kitchen/other')).toBeNull();
    expect(template.topicFor({ deviceId: 'hall' })).toBe('poc/hall/sensor');
  });

  it('takes all levels that are left with {name#}', () => {
    const template = new TopicTemplate('devices/{deviceId}/up/{rest#}');
    expect(template.filter).toBe('devices/+/up/#');
    expect(template.match('devices/x/up/a/b')).toEqual({ deviceId: 'x', rest: 'a/b' });
    expect(template.match('devices/x/up')).toEqual({ deviceId: 'x', rest: '' });
  });

  it('reads a level called __proto__ as text', () => {
    const params = new TopicTemplate('d/{deviceId}').match('d/__proto__');
    expect(params).toEqual({ deviceId: '__proto__' });
  });
});
