import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LEASE_MS, type SeatLeases, SeatStore } from '../seat.store.js';
import { LeaseKeeper } from './lease.keeper.js';

const ALL: SeatLeases = { held: ['1', '2'], surplus: [] };

/** Answers after `delay` milliseconds. */
class SlowStore extends SeatStore {
  delay = 0;
  answer: SeatLeases | Error = ALL;
  readonly calls: string[] = [];
  listener: () => void = () => {};

  override async renew(): Promise<SeatLeases> {
    this.calls.push('renew');
    await new Promise((resolve) => {
      setTimeout(resolve, this.delay);
    });
    if (this.answer instanceof Error) throw this.answer;
    this.calls.push('renewed');
    return this.answer;
  }

  override release(names: readonly string[]): Promise<void> {
    this.calls.push(`release ${names.join()}`);
    return Promise.resolve();
  }

  override leave(): Promise<void> {
    this.calls.push('leave');
    return Promise.resolve();
  }

  override onChange(listener: () => void): () => void {
    this.listener = listener;
    return () => (this.listener = () => {});
  }

  get renewals(): number {
    return this.calls.filter((call) => call === 'renew').length;
  }
}

describe('LeaseKeeper', () => {
  let store: SlowStore;
  let events: string[];
  let keeper: LeaseKeeper;
  const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    jest.useFakeTimers();
    store = new SlowStore();
    events = [];
    keeper = new LeaseKeeper(store, ['1', '2'], {
      known: () => events.push('known'),
      held: (name) => events.push(`held ${name}`),
      lost: (name) => events.push(`lost ${name}`),
      surplus: (name) => events.push(`surplus ${name}`),
      failed: () => events.push('failed'),
    });
  });
  afterEach(() => {
    keeper.stop();
    jest.useRealTimers();
  });

  it('takes what it is given, and renews every three seconds, however long the store takes', async () => {
    store.delay = 1_000;
    keeper.start();
    expect(keeper.isValid('1')).toBe(false);
    await pass(1_000);
    expect(events).toEqual(['held 1', 'held 2', 'known']);
    expect(keeper.isValid('1')).toBe(true);
    await pass(29_000);
    expect(store.renewals).toBe(11);
    expect(events).not.toContain('lost 1');
  });

  it('loses everything ten seconds after the last renewal that succeeded was asked for', async () => {
    store.delay = 500;
    keeper.start();
    await pass(500);
    store.answer = new Error('away');
    await pass(LEASE_MS - 501);
    expect(keeper.isValid('1')).toBe(true);
    await pass(1);
    expect(keeper.isValid('1')).toBe(false);
    expect(events.slice(-2)).toEqual(['lost 1', 'lost 2']);
    store.answer = ALL;
    await pass(2_000);
    expect(events.slice(-2)).toEqual(['held 1', 'held 2']);
  });

  it('does not hold what the store gave more than ten seconds ago, and asks again at once', async () => {
    store.delay = LEASE_MS + 1;
    keeper.start();
    await pass(LEASE_MS + 1);
    expect(events).toEqual(['known']);
    store.delay = 0;
    await pass(1);
    expect(store.renewals).toBe(2);
    await pass(LEASE_MS + 1);
    expect(keeper.isValid('1')).toBe(true);
  });

  it('loses at once what another replica has', async () => {
    keeper.start();
    await pass(0);
    store.answer = { held: ['2'], surplus: [] };
    store.listener();
    await pass(0);
    expect(events.slice(3)).toEqual(['lost 1', 'held 2']);
    expect([keeper.isValid('1'), keeper.isValid('2'), keeper.count]).toEqual([false, true, 1]);
  });

  it('asks once more, not many times, where leases change while it is asking', async () => {
    store.delay = 100;
    keeper.start();
    for (let i = 0; i < 5; i++) store.listener();
    await pass(250);
    expect(store.renewals).toBe(2);
  });

  it('never releases while a renewal is on its way, which could bring the lease back', async () => {
    keeper.start();
    await pass(0);
    store.delay = 100;
    store.listener();
    const released = keeper.release('1');
    await pass(100);
    await released;
    expect(store.calls.slice(2)).toEqual(['renew', 'renewed', 'release 1']);
    expect(keeper.isValid('1')).toBe(false);
  });

  it('answers who must know the present state only after a renewal that began later', async () => {
    keeper.start();
    await pass(10);
    const before = store.renewals;
    const known = keeper.renewedSince(performance.now());
    await pass(0);
    await known;
    expect(store.renewals).toBe(before + 1);
    await keeper.renewedSince(performance.now() - 5_000);
    expect(store.renewals).toBe(before + 1);
  });

  it('answers them, whether or not the store does, and does not take an answer to an earlier question for theirs', async () => {
    store.delay = 100;
    keeper.start();
    await pass(0);
    const ends: string[] = [];
    const wait = (name: string): void => {
      keeper.renewedSince(performance.now()).then(
        () => ends.push(name),
        () => ends.push(`${name} rejected`),
      );
    };
    store.answer = new Error('away');
    wait('a');
    wait('b');
    store.listener();
    await pass(100);
    expect([ends, events]).toEqual([[], ['failed']]);
    await pass(100);
    expect([ends, events]).toEqual([
      ['a', 'b'],
      ['failed', 'failed'],
    ]);
  });

  it('renews no more once stopped, and gives all back when it leaves', async () => {
    keeper.start();
    await pass(0);
    keeper.stop();
    await keeper.leave();
    await pass(20_000);
    expect(store.renewals).toBe(1);
    expect(store.calls.at(-1)).toBe('leave');
    expect(keeper.isValid('1')).toBe(false);
  });
});
