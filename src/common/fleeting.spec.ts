import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Attached, FleetingMap, FleetingSet } from './fleeting.js';

const changes = fc.array(fc.record({ key: fc.nat(8), adds: fc.boolean() }), { maxLength: 100 });

describe('FleetingMap', () => {
  it('holds what a Map would, in its order', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const [map, plain] = [new FleetingMap<number, object>(), new Map<number, object>()];
        for (const { key, adds } of all) {
          const value = {};
          if (adds) {
            map.set(key, value);
            plain.set(key, value);
          } else expect(map.delete(key)).toBe(plain.delete(key));
          expect([map.size, map.has(key), map.get(key)]).toEqual([plain.size, plain.has(key), plain.get(key)]);
          expect(map.get(key)).toBe(plain.get(key));
        }
        expect(map.values().every((value, i) => value === [...plain.values()][i])).toBe(true);
      }),
    );
  });
});

describe('FleetingSet', () => {
  it('holds what a Set would, in its order, and another set of the same objects besides', () => {
    const objects = Array.from({ length: 9 }, (_, name) => ({ name }));
    fc.assert(
      fc.property(changes, (all) => {
        const [set, other, plain] = [
          new FleetingSet<object>(),
          new FleetingSet<object>(),
          new Set<{ readonly name: number }>(),
        ];
        for (const object of objects) other.add(object);
        for (const { key, adds } of all) {
          const object = objects[key]!;
          if (adds) {
            set.add(object);
            plain.add(object);
          } else expect(set.delete(object)).toBe(plain.delete(object));
          expect([set.size, set.oldest]).toEqual([plain.size, [...plain][0]]);
        }
        expect(set.values()).toEqual([...plain]);
        expect(other.values()).toEqual(objects);
      }),
    );
  });
});

describe('Attached', () => {
  it('keeps what is known of an object, and shows it to nobody else', () => {
    const [one, other] = [new Attached<object, string>('one'), new Attached<object, string>('one')];
    const object = { name: 'x' };
    one.set(object, 'first');
    expect([one.get(object), other.get(object), one.get({})]).toEqual(['first', undefined, undefined]);
    expect([Object.keys(object), JSON.stringify(object)]).toEqual([['name'], '{"name":"x"}']);
    one.delete(object);
    expect(one.get(object)).toBeUndefined();
  });
});
