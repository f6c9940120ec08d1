import { beforeEach, describe, expect, it } from '@jest/globals';
import { Receipts } from './receipts.js';

describe('Receipts', () => {
  const device = {};
  let receipts: Receipts;
  let told: string[];
  const message = (topic: string, brokerCounter: number) => ({ topic, brokerCounter });
  const want = (topic: string, brokerCounter: number): void =>
    receipts.want(message(topic, brokerCounter), {
      clientId: 'd1',
      onAcknowledged: () => told.push(`${topic} ${brokerCounter}`),
    });

  beforeEach(() => {
    receipts = new Receipts();
    told = [];
  });

  it('are for one client, one packet id and one PUBACK', () => {
    want('a', 1);
    expect(receipts.isWanted(message('a', 1), 'd1')).toBe(true);
    expect(receipts.isWanted(message('a', 1), 'd2')).toBe(false);
    expect(receipts.isWanted(message('a', 2), 'd1')).toBe(false);
    receipts.sent(message('a', 1), device, 7);
    receipts.acknowledged({}, 7);
    receipts.acknowledged(device, 8);
    expect(told).toEqual([]);
    receipts.acknowledged(device, 7);
    receipts.acknowledged(device, 7);
    expect(told).toEqual(['a 1']);
    expect(receipts.size).toBe(0);
  });

  it('are kept once for a message that goes out twice', () => {
    want('a', 1);
    receipts.sent(message('a', 1), device, 7);
    expect(receipts.isWanted(message('a', 1), 'd1')).toBe(false);
  });

  it('of an earlier message to the same topic are replaced', () => {
    want('a', 1);
    receipts.sent(message('a', 1), device, 7);
    want('a', 2);
    receipts.sent(message('a', 2), device, 8);
    receipts.settled(message('a', 1));
    receipts.acknowledged(device, 7);
    receipts.acknowledged(device, 8);
    expect(told).toEqual(['a 2']);
  });

  it('end when the publish is over and nobody got it, but not when somebody did', () => {
    want('a', 1);
    want('b', 2);
    receipts.sent(message('b', 2), device, 7);
    receipts.settled(message('a', 1));
    receipts.settled(message('b', 2));
    expect(receipts.size).toBe(1);
    receipts.acknowledged(device, 7);
    expect(told).toEqual(['b 2']);
  });

  it('of a connection that never acknowledges are kept for the latest 1,000 messages', () => {
    for (let i = 1; i <= 3_000; i++) {
      want(`t${i}`, i);
      receipts.sent(message(`t${i}`, i), device, i);
    }
    expect(receipts.size).toBe(1_000);
    expect([receipts.isAwaited(device, 2_000), receipts.isAwaited(device, 2_001)]).toEqual([false, true]);
    receipts.gone(device);
    expect(receipts.size).toBe(0);
    receipts.acknowledged(device, 3_000);
    expect(told).toEqual([]);
  });
});
