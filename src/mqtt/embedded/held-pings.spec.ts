import { describe, expect, it } from '@jest/globals';
import { HeldPings } from './held-pings.js';

const PING = Buffer.from([0xc0, 0]);
const PUBLISH = Buffer.from([0x30, 4, 0, 1, 0x74, 0xc0]);

describe('HeldPings', () => {
  it('finds each ping once, as bytes come and go, and none inside a payload', () => {
    const pings = new HeldPings();
    let held = Buffer.concat([PUBLISH, PING, PUBLISH, PING]);
    expect(pings.find(held)).toBe(2);
    expect(pings.find(held)).toBe(0);
    held = Buffer.concat([held, PUBLISH.subarray(0, 3)]);
    expect(pings.find(held)).toBe(0);
    held = Buffer.concat([held, PUBLISH.subarray(3), PING]);
    expect(pings.find(held)).toBe(1);
    pings.passed(PUBLISH.length + PING.length);
    held = held.subarray(PUBLISH.length + PING.length);
    expect(pings.find(held)).toBe(0);
    expect([pings.wasAnswered(), pings.wasAnswered(), pings.wasAnswered(), pings.wasAnswered()]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
