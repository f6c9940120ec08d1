import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Connectedness, type DeviceRow, isBack, judgePresence } from './presence.js';

const NOW = 1_800_000_000_000;
const STARTED = NOW - 600_000;
const row = (change: Partial<DeviceRow> = {}): DeviceRow => ({
  link: 'native',
  online: null,
  statusAt: null,
  lastSeen: null,
  polledAt: null,
  ...change,
});
const nobody: Connectedness = { listens: false, isConnected: false, since: STARTED };
const ago = (seconds: number) => NOW - seconds * 1_000;

describe('judgePresence at the embedded broker', () => {
  const here = (kept: DeviceRow | null, heardAt: number | null = null, connected: Partial<Connectedness> = {}) =>
    judgePresence(kept, heardAt, { ...nobody, ...connected }, NOW);

  it.each<[string, DeviceRow | null, Partial<Connectedness>, 'online' | 'offline' | 'unknown' | 'never', boolean]>([
    ['is unknown', null, {}, 'never', false],
    ['was only sent a command', row(), {}, 'never', false],
    ['was seen', row({ lastSeen: ago(5) }), {}, 'offline', false],
    ['is connected under its id', row({ lastSeen: ago(5) }), { isConnected: true }, 'online', false],
    ['is connected and was never seen', row(), { isConnected: true }, 'online', false],
    ['listens', row(), { listens: true }, 'online', true],
    ['listens and is unknown', null, { listens: true }, 'online', true],
    ['said online since the start', row({ online: true, statusAt: ago(60) }), {}, 'online', false],
    ['said online before the start', row({ online: true, statusAt: STARTED - 1 }), {}, 'offline', false],
    ['said offline', row({ online: false, statusAt: ago(60) }), {}, 'offline', false],
    [
      'said offline and is connected',
      row({ online: false, statusAt: ago(60) }),
      { isConnected: true },
      'online',
      false,
    ],
    ['polled just now', row({ polledAt: ago(80), lastSeen: ago(80) }), {}, 'online', false],
    ['polled long ago', row({ polledAt: ago(100), lastSeen: ago(100) }), {}, 'offline', false],
    ['polls and listens', row({ polledAt: ago(10), lastSeen: ago(10) }), { listens: true }, 'online', true],
    ['is foreign and was seen', row({ link: 'foreign', lastSeen: ago(60) }), {}, 'unknown', true],
    ['is foreign and was only sent a command', row({ link: 'foreign' }), {}, 'never', true],
  ])('of a device that %s', (_, kept, connected, state, listens) => {
    expect(here(kept, null, connected)).toMatchObject({ state, listens });
  });

  it('counts what was heard and is not written yet', () => {
    expect(here(row(), ago(1))).toEqual({ state: 'offline', lastSeen: ago(1), listens: false });
    expect(here(null, ago(1))).toEqual({ state: 'offline', lastSeen: ago(1), listens: false });
  });
});

describe('judgePresence at an external broker', () => {
  const there = (kept: DeviceRow | null, heardAt: number | null = null) => judgePresence(kept, heardAt, null, NOW);

  it.each<[string, DeviceRow | null, 'online' | 'offline' | 'unknown' | 'never', boolean]>([
    ['is unknown', null, 'never', true],
    ['was only sent a command', row(), 'never', true],
    ['was seen and never said a status', row({ lastSeen: ago(5) }), 'unknown', true],
    ['said online', row({ online: true, statusAt: ago(86_400) }), 'online', true],
    ['said offline', row({ online: false, statusAt: ago(60), lastSeen: ago(70) }), 'offline', false],
    ['said offline and was never heard else', row({ online: false, statusAt: ago(60) }), 'offline', false],
    ['was overtaken by its will', row({ online: false, statusAt: ago(60), lastSeen: ago(58) }), 'offline', false],
    ['was heard after its will', row({ online: false, statusAt: ago(60), lastSeen: ago(50) }), 'unknown', true],
    ['had its status cleared', row({ statusAt: ago(60), lastSeen: ago(70) }), 'unknown', true],
    ['polled just now', row({ polledAt: ago(80), lastSeen: ago(80) }), 'online', false],
    ['polled long ago', row({ polledAt: ago(100), lastSeen: ago(100) }), 'unknown', false],
    ['polls after its will', row({ online: false, statusAt: ago(60), polledAt: ago(20) }), 'online', false],
    ['polls and said online before', row({ online: true, statusAt: ago(60), polledAt: ago(20) }), 'online', false],
    ['says online after a poll', row({ online: true, statusAt: ago(10), polledAt: ago(20) }), 'online', true],
    ['is heard over MQTT long after a poll', row({ lastSeen: ago(10), polledAt: ago(20) }), 'online', true],
  ])('of a device that %s', (_, kept, state, listens) => {
    expect(there(kept)).toMatchObject({ state, listens });
  });

  it('counts what was heard and is not written yet', () => {
    const gone = row({ online: false, statusAt: ago(60), lastSeen: ago(70) });
    expect(there(gone, ago(1))).toEqual({ state: 'unknown', lastSeen: ago(1), listens: true });
    expect(there(null, ago(1))).toEqual({ state: 'unknown', lastSeen: ago(1), listens: true });
  });
});

describe('lastSeen', () => {
  it('is the latest sign of life, of which a will is none', () => {
    const last = (change: Partial<DeviceRow>, heardAt: number | null = null) =>
      judgePresence(row(change), heardAt, null, NOW).lastSeen;
    expect(last({})).toBeNull();
    expect(last({ lastSeen: ago(9), polledAt: ago(8), online: true, statusAt: ago(7) }, ago(6))).toBe(ago(6));
    expect(last({ lastSeen: ago(9), polledAt: ago(8), online: true, statusAt: ago(7) })).toBe(ago(7));
    expect(last({ lastSeen: ago(9), polledAt: ago(8), online: false, statusAt: ago(7) })).toBe(ago(8));
    expect(last({ lastSeen: ago(9), online: false, statusAt: ago(7) })).toBe(ago(9));
  });
});

describe('Every presence', () => {
  const time = fc.option(fc.integer({ min: NOW - 200_000, max: NOW }));
  const rows = fc.option(
    fc.record({
      link: fc.constantFrom('native' as const, 'foreign' as const),
      online: fc.option(fc.boolean()),
      statusAt: time,
      lastSeen: time,
      polledAt: time,
    }),
  );
  const brokers = fc.option(
    fc.record({ listens: fc.boolean(), isConnected: fc.boolean(), since: fc.constant(STARTED) }),
  );

  it('never has an offline device listen, nor forgets a sign of life', () => {
    fc.assert(
      fc.property(rows, time, brokers, (kept, heardAt, connected) => {
        const { state, lastSeen, listens } = judgePresence(kept, heardAt, connected, NOW);
        if (state === 'offline') expect(listens).toBe(false);
        if (state === 'never') expect(lastSeen).toBeNull();
        if (heardAt !== null) expect(lastSeen).toBeGreaterThanOrEqual(heardAt);
        if (connected?.listens) expect({ state, listens }).toEqual({ state: 'online', listens: true });
      }),
    );
  });
});

describe('isBack', () => {
  it('needs a message that the will cannot have overtaken', () => {
    expect(isBack(ago(60), null)).toBe(false);
    expect(isBack(ago(60), ago(60))).toBe(false);
    expect(isBack(ago(60), ago(57))).toBe(false);
    expect(isBack(ago(60), ago(56))).toBe(true);
  });
});
