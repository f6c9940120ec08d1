import { describe, expect, it } from '@jest/globals';
import {
  type Connectedness,
  type DeviceRow,
  isBack,
  judgePresence,
  type PresenceChange,
  type PresenceState,
  STALE_AFTER_MS,
} from './presence.js';

const NOW = 1_800_000_000_000;
const STARTED = NOW - 600_000;
const row = (change: Partial<DeviceRow> = {}): DeviceRow => ({
  link: 'native',
  online: null,
  session: null,
  statusAt: null,
  lastSeen: null,
  polledAt: null,
  change: null,
  ...change,
});
const nobody: Connectedness = { listens: false, attendance: null, since: STARTED };
const ago = (seconds: number) => NOW - seconds * 1_000;

describe('judgePresence at the embedded broker', () => {
  const here = (kept: DeviceRow | null, heardAt: number | null = null, connected: Partial<Connectedness> = {}) =>
    judgePresence(kept, heardAt, { ...nobody, ...connected }, NOW);

  it.each<[string, DeviceRow | null, Partial<Connectedness>, PresenceState, boolean]>([
    ['is unknown', null, {}, 'never', false],
    ['was only sent a command', row(), {}, 'never', false],
    ['was seen', row({ lastSeen: ago(5) }), {}, 'offline', false],
    [
      'is connected under its id',
      row({ lastSeen: ago(5) }),
      { attendance: { reason: 'connected', since: ago(30) } },
      'online',
      false,
    ],
    [
      'is connected and was never seen',
      row(),
      { attendance: { reason: 'connected', since: ago(30) } },
      'online',
      false,
    ],
    ['listens', row(), { listens: true, attendance: { reason: 'listening', since: ago(30) } }, 'online', true],
    [
      'listens and is unknown',
      null,
      { listens: true, attendance: { reason: 'listening', since: ago(30) } },
      'online',
      true,
    ],
    ['said online since the start', row({ online: true, statusAt: ago(60) }), {}, 'online', false],
    ['said online before the start', row({ online: true, statusAt: STARTED - 1 }), {}, 'offline', false],
    ['said offline', row({ online: false, statusAt: ago(60) }), {}, 'offline', false],
    [
      'said offline and is connected',
      row({ online: false, statusAt: ago(60) }),
      { attendance: { reason: 'connected', since: ago(30) } },
      'online',
      false,
    ],
    ['polled just now', row({ polledAt: ago(80), lastSeen: ago(80) }), {}, 'online', false],
    ['polled long ago', row({ polledAt: ago(100), lastSeen: ago(100) }), {}, 'offline', false],
    [
      'polls and listens',
      row({ polledAt: ago(10), lastSeen: ago(10) }),
      { listens: true, attendance: { reason: 'listening', since: ago(30) } },
      'online',
      true,
    ],
    ['is foreign and was seen', row({ link: 'foreign', lastSeen: ago(60) }), {}, 'unknown', true],
    ['is foreign and was only sent a command', row({ link: 'foreign' }), {}, 'never', true],
  ])('of a device that %s', (_, kept, connected, state, listens) => {
    expect(here(kept, null, connected)).toMatchObject({ state, listens });
  });

  it('counts what was heard and is not written yet', () => {
    expect(here(row(), ago(1))).toEqual({
      state: 'offline',
      since: ago(1),
      reason: 'not_connected',
      source: 'broker',
      lastSeen: ago(1),
      session: null,
      listens: false,
    });
    expect(here(null, ago(1))).toEqual({
      state: 'offline',
      since: ago(1),
      reason: 'not_connected',
      source: 'broker',
      lastSeen: ago(1),
      session: null,
      listens: false,
    });
  });
});

describe('judgePresence at an external broker', () => {
  const there = (kept: DeviceRow | null, heardAt: number | null = null) => judgePresence(kept, heardAt, null, NOW);

  it.each<[string, DeviceRow | null, PresenceState, boolean]>([
    ['is unknown', null, 'never', true],
    ['was only sent a command', row(), 'never', true],
    ['was seen and never said a status', row({ lastSeen: ago(5) }), 'unknown', true],
    ['said online', row({ online: true, statusAt: ago(1_800) }), 'online', true],
    ['said online, and nothing for long', row({ online: true, statusAt: ago(1_801) }), 'stale', true],
    [
      'said online long ago and was heard',
      row({ online: true, statusAt: ago(9_999), lastSeen: ago(9) }),
      'online',
      true,
    ],
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
    expect(there(gone, ago(1))).toEqual({
      state: 'unknown',
      since: ago(1),
      reason: 'activity',
      source: 'activity',
      lastSeen: ago(1),
      session: null,
      listens: true,
    });
    expect(there(null, ago(1))).toEqual({
      state: 'unknown',
      since: ago(1),
      reason: 'activity',
      source: 'activity',
      lastSeen: ago(1),
      session: null,
      listens: true,
    });
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

describe('The change that was seen last', () => {
  const change = (fact: Partial<PresenceChange>): PresenceChange => ({
    state: 'offline',
    since: ago(300),
    reason: 'connection_lost',
    source: 'broker',
    ...fact,
  });
  const here = (kept: DeviceRow, connected: Partial<Connectedness> = {}) =>
    judgePresence(kept, null, { ...nobody, ...connected }, NOW);
  const there = (kept: DeviceRow) => judgePresence(kept, null, null, NOW);

  it('tells how a device went, and since when', () => {
    const kept = row({ lastSeen: ago(310), change: change({}) });
    expect(here(kept)).toMatchObject({
      state: 'offline',
      since: ago(300),
      reason: 'connection_lost',
      source: 'broker',
      lastSeen: ago(310),
    });
  });

  it('tells since when a device is there, whatever says so now', () => {
    const kept = row({ change: change({ state: 'online', since: ago(500), reason: 'said_online', source: 'status' }) });
    const attendance = { reason: 'connected' as const, since: ago(20) };
    expect(here(kept, { attendance })).toMatchObject({
      state: 'online',
      since: ago(500),
      reason: 'connected',
      source: 'broker',
    });
  });

  it('ends what the device had said before the broker saw it go, and not what it says after', () => {
    expect(here(row({ online: true, statusAt: ago(301), change: change({}) }))).toMatchObject({
      state: 'offline',
      reason: 'connection_lost',
    });
    const again = change({ state: 'online', since: ago(299), reason: 'said_online', source: 'status' });
    expect(here(row({ online: true, statusAt: ago(9), change: again }))).toMatchObject(again);
  });

  it('holds for a foreign device until it is heard again', () => {
    const lost = row({ link: 'foreign', lastSeen: ago(310), change: change({}) });
    expect(here(lost)).toMatchObject({ state: 'offline', listens: false });
    expect(here({ ...lost, lastSeen: ago(290) })).toMatchObject({ state: 'unknown', since: ago(290), listens: true });
  });

  it('says nothing of a state that came by time alone', () => {
    const online = change({ state: 'online', since: ago(9_000), reason: 'said_online', source: 'status' });
    expect(there(row({ online: true, statusAt: ago(9_000), lastSeen: ago(5_000), change: online }))).toMatchObject({
      state: 'stale',
      since: ago(5_000) + STALE_AFTER_MS,
      reason: 'silent',
      source: 'status',
    });
    // It was not gone: what was doubtful is no longer.
    expect(there(row({ online: true, statusAt: ago(9_000), lastSeen: ago(5), change: online }))).toMatchObject({
      state: 'online',
      since: ago(9_000),
    });
    const polled = change({ state: 'online', since: ago(9_000), reason: 'polled', source: 'activity' });
    const lapsed = { since: ago(10), reason: 'silent', source: 'activity' };
    expect(there(row({ polledAt: ago(100), lastSeen: ago(100), change: polled }))).toMatchObject({
      state: 'unknown',
      ...lapsed,
    });
    expect(here(row({ polledAt: ago(100), lastSeen: ago(100), change: polled }))).toMatchObject({
      state: 'offline',
      ...lapsed,
    });
  });

  it('that the status was cleared is told until the device is heard', () => {
    const cleared = change({ state: 'unknown', since: ago(50), reason: 'status_cleared', source: 'status' });
    expect(there(row({ statusAt: ago(50), change: cleared }))).toMatchObject({
      state: 'unknown',
      since: ago(50),
      reason: 'status_cleared',
    });
    expect(there(row({ statusAt: ago(50), lastSeen: ago(60) }))).toMatchObject({
      since: ago(50),
      reason: 'status_cleared',
    });
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
