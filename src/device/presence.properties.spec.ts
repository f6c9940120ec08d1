import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Connectedness,
  type DevicePresence,
  type DeviceRow,
  judgePresence,
  POLL_LASTS_MS,
  STALE_AFTER_MS,
} from './presence.js';

const NOW = 1_800_000_000_000;
const STARTED = NOW - 600_000;

describe('Every presence', () => {
  const moment = fc.integer({ min: NOW - 4_000_000, max: NOW });
  const time = fc.option(moment);
  const changes = fc.oneof(
    fc.record({
      state: fc.constantFrom('online' as const, 'offline' as const),
      since: moment,
      reason: fc.constantFrom('connected' as const, 'disconnected' as const, 'broker_restarted' as const),
      source: fc.constant('broker' as const),
    }),
    fc.record({
      state: fc.constantFrom('online' as const, 'offline' as const, 'unknown' as const),
      since: moment,
      reason: fc.constantFrom('said_online' as const, 'said_offline' as const, 'activity' as const),
      source: fc.constantFrom('status' as const, 'activity' as const),
    }),
  );
  // A status has its time; one that was cleared leaves that.
  const statuses = fc.oneof(
    fc.record({ online: fc.constant(null), statusAt: time }),
    fc.record({ online: fc.boolean(), statusAt: moment }),
  );
  const rest = fc.record({
    link: fc.constantFrom('native' as const, 'foreign' as const),
    session: fc.option(fc.constant('b1')),
    lastSeen: time,
    polledAt: time,
    change: fc.option(changes),
  });
  const rows = fc.option(fc.tuple(statuses, rest).map(([status, others]): DeviceRow => ({ ...status, ...others })));
  const attendance = fc.record({ reason: fc.constantFrom('connected' as const, 'listening' as const), since: moment });
  const brokers = fc.option(
    fc.oneof(
      fc.record({ listens: fc.boolean(), attendance, since: fc.constant(STARTED) }),
      fc.record({ listens: fc.constant(false), attendance: fc.constant(null), since: fc.constant(STARTED) }),
    ),
  );
  const forAll = (
    check: (
      presence: DevicePresence,
      kept: DeviceRow | null,
      heardAt: number | null,
      connected: Connectedness | null,
    ) => void,
  ) =>
    fc.assert(
      fc.property(rows, time, brokers, (kept, heardAt, connected) =>
        check(judgePresence(kept, heardAt, connected, NOW), kept, heardAt, connected),
      ),
      { numRuns: 1_000 },
    );

  it('never has an offline device listen, nor forgets a sign of life', () => {
    forAll(({ state, lastSeen, listens }, _, heardAt, connected) => {
      if (state === 'offline') expect(listens).toBe(false);
      if (state === 'never') expect(lastSeen).toBeNull();
      if (heardAt !== null) expect(lastSeen).toBeGreaterThanOrEqual(heardAt);
      if (connected?.listens) expect({ state, listens }).toEqual({ state: 'online', listens: true });
    });
  });

  it('has a time that has come and somebody who told it, but for never', () => {
    forAll(({ state, since, reason, source }) => {
      expect(since === null).toBe(state === 'never');
      expect(source === 'none').toBe(state === 'never');
      expect(reason === 'never_seen').toBe(state === 'never');
      expect(since ?? NOW).toBeLessThanOrEqual(NOW);
    });
  });

  it('is online only where somebody said so, or is connected, or has polled just now', () => {
    forAll(({ state }, kept, _, connected) => {
      if (state !== 'online') return;
      const polls = (kept?.polledAt ?? 0) > NOW - POLL_LASTS_MS;
      expect(connected?.attendance != null || polls || kept?.online === true).toBe(true);
    });
  });

  it('is online whenever its own broker sees it', () => {
    forAll(({ state, source }, _kept, _heardAt, connected) => {
      if (connected?.attendance) expect({ state, source }).toEqual({ state: 'online', source: 'broker' });
    });
  });

  it('is stale only where it said that it is online and is silent, and holds no command back then', () => {
    forAll(({ state, lastSeen, listens }, kept, _, connected) => {
      if (state !== 'stale') return;
      expect(kept!.online).toBe(true);
      expect(lastSeen ?? 0).toBeLessThan(NOW - STALE_AFTER_MS);
      if (connected === null) expect(listens || kept!.polledAt !== null).toBe(true);
    });
  });
});
