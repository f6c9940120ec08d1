import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readHeader } from './frame-header.js';

function lengthOf(length: number): number[] {
  return length < 128 ? [length] : [(length % 128) | 128, ...lengthOf(Math.floor(length / 128))];
}

describe('readHeader', () => {
  it('reads every length that MQTT can write, and waits where a byte is missing', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(268_435_455), fc.nat(3), (first, length, before) => {
        const bytes = [...Array<number>(before).fill(0xff), first, ...lengthOf(length)];
        const size = bytes.length - before;
        expect(readHeader(Buffer.from(bytes), before)).toEqual({ type: first >> 4, flags: first & 15, length, size });
        for (let cut = before; cut < bytes.length; cut++)
          expect(readHeader(Buffer.from(bytes.slice(0, cut)), before)).toBeNull();
      }),
    );
  });

  it('refuses a length of more than four bytes as soon as the fourth is there', () => {
    expect(readHeader(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), 0)).toBe('invalid');
  });
});
