import { describe, expect, it } from '@jest/globals';
import { Allowance } from './allowance.js';
import { TokenBucket } from './flow.js';

const PUBLISH_QOS_2 = { type: 3, flags: 4, length: 9, size: 2 };
const PUBACK = { type: 4, flags: 0, length: 2, size: 2 };
const PUBREL = { type: 6, flags: 2, length: 2, size: 2 };
const PINGREQ = { type: 12, flags: 0, length: 0, size: 2 };

/** An allowance of `packets` that is never refilled. */
function allowanceOf(packets: number): Allowance {
  const allowance = new Allowance();
  allowance.use(new TokenBucket(packets / 10, () => 0));
  return allowance;
}

describe('Allowance', () => {
  it('counts packets of every kind, and acknowledgements that answer nothing', () => {
    const allowance = allowanceOf(3);
    const taken = [PINGREQ, PUBACK, PUBREL, PINGREQ].map((header) => allowance.take(header));
    expect(taken).toEqual([true, true, true, false]);
  });

  it('lets as many acknowledgements pass as there were messages, however many those were', () => {
    const allowance = allowanceOf(1);
    allowance.expect(500);
    for (let i = 0; i < 500; i++) expect(allowance.take(PUBACK)).toBe(true);
    expect([allowance.take(PINGREQ), allowance.take(PUBACK)]).toEqual([true, false]);
  });

  it('counts a publish of QoS 2 and its PUBREL once', () => {
    const allowance = allowanceOf(1);
    expect([allowance.take(PUBLISH_QOS_2), allowance.take(PUBREL), allowance.take(PUBREL)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
