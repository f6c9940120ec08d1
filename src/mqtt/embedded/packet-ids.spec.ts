import { describe, expect, it } from '@jest/globals';
import { takePacketId } from './packet-ids.js';

describe('Packet ids', () => {
  it('count up, and start again at 1 after 65,535', () => {
    const client = { _nextId: 65_534 };
    const free = (): boolean => false;
    expect([1, 2, 3, 4].map(() => takePacketId(client, free))).toEqual([65_534, 65_535, 1, 2]);
  });

  it('leave out what is taken, also around the end', () => {
    const client = { _nextId: 65_535 };
    const taken = new Set([65_535, 1, 2, 4]);
    const isTaken = (id: number): boolean => taken.has(id);
    expect([1, 2].map(() => takePacketId(client, isTaken))).toEqual([3, 5]);
    expect(client._nextId).toBe(6);
  });
});
