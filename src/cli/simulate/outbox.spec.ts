import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Outbox } from './outbox.js';
import type { NewEntry, OutboxEntry } from './outbox.js';

function entry(kind: NewEntry['kind'], payload: string): NewEntry {
  return { kind, topic: 't', payload, qos: 1 };
}

function takeAll(outbox: Outbox): OutboxEntry[] {
  const taken: OutboxEntry[] = [];
  for (let next = outbox.take(); next; next = outbox.take()) taken.push(next);
  return taken;
}

describe('the outbox', () => {
  it('has no more entries on the way than its window', () => {
    const outbox = new Outbox(10, 2);
    for (const payload of ['a', 'b', 'c']) outbox.add(entry('reading', payload));
    const [first] = takeAll(outbox);
    expect(outbox.take()).toBeNull();
    expect(outbox.settle(first!)).toBe(true);
    expect(outbox.take()?.payload).toBe('c');
  });

  it('takes no more readings than its limit, those on the way included, but every answer', () => {
    const outbox = new Outbox(2, 1);
    outbox.add(entry('reading', 'a'));
    outbox.take();
    expect(outbox.add(entry('reading', 'b'))).toBe(true);
    expect(outbox.add(entry('reading', 'c'))).toBe(false);
    expect(outbox.add(entry('answer', 'd'))).toBe(true);
    expect(outbox.size).toBe(3);
  });

  it('sends answers before readings, each in their order', () => {
    const outbox = new Outbox(10, 10);
    for (const [kind, payload] of [
      ['reading', 'r1'],
      ['answer', 'a1'],
      ['reading', 'r2'],
      ['answer', 'a2'],
    ] as const)
      outbox.add(entry(kind, payload));
    expect(takeAll(outbox).map(({ payload }) => payload)).toEqual(['a1', 'a2', 'r1', 'r2']);
  });

  it('sends what was on the way again, first and in the same order, and tells an acknowledgement of then from now', () => {
    const outbox = new Outbox(10, 2);
    for (const payload of ['a', 'b', 'c']) outbox.add(entry('reading', payload));
    const [a] = takeAll(outbox);
    outbox.rewind();
    expect(outbox.unsentReadings).toBe(1);
    expect(outbox.settle(a!)).toBe(false);
    expect(takeAll(outbox).map(({ payload, sends }) => [payload, sends])).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
  });

  it('hands out every entry until it is settled, once each, whatever happens in between', () => {
    const step = fc.constantFrom('add', 'answer', 'take', 'settle', 'rewind');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const outbox = new Outbox(1_000, 4);
        const settled: string[] = [];
        let onTheWay: OutboxEntry[] = [];
        let added = 0;
        for (const what of steps) {
          if (what === 'add' || what === 'answer') {
            outbox.add(entry(what === 'add' ? 'reading' : 'answer', String((added += 1))));
          } else if (what === 'take') {
            const taken = outbox.take();
            if (taken) onTheWay.push(taken);
          } else if (what === 'settle') {
            const next = onTheWay.shift();
            if (next && outbox.settle(next)) settled.push(next.payload);
          } else {
            outbox.rewind();
            onTheWay = [];
          }
          expect(onTheWay.length).toBeLessThanOrEqual(4);
          expect(outbox.size).toBe(added - settled.length);
        }
        outbox.rewind();
        for (let next = outbox.take(); next; next = outbox.take()) {
          outbox.settle(next);
          settled.push(next.payload);
        }
        expect(settled.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: added }, (_, i) => i + 1));
      }),
    );
  });
});
