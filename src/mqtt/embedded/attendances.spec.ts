import { describe, expect, it } from '@jest/globals';
import type { Client } from 'aedes';
import fc from 'fast-check';
import type { AttendanceChange } from '../attendance.js';
import { Attendances } from './attendances.js';

const client = (): Client => ({}) as Client;

function book() {
  const attendances = new Attendances();
  const told: AttendanceChange[] = [];
  attendances.onChange((change) => told.push(change));
  return { attendances, told, said: () => told.map(({ left, arrival }) => left ?? arrival.reason) };
}

describe('Attendances', () => {
  it('tell of a connection that comes and goes, and keep nothing of it', () => {
    const { attendances, said } = book();
    const one = client();
    attendances.enters(one, 'd');
    expect(attendances.of('d')).toBeNull();
    attendances.connected(one);
    expect(attendances.of('d')).toMatchObject({ reason: 'connected' });
    attendances.ended(one, 'keepalive_timeout');
    expect(said()).toEqual(['connected', 'keepalive_timeout']);
    expect(attendances.of('d')).toBeNull();
    expect(attendances.size).toBe(0);
  });

  it('tell nothing of one that is never let in, but of what it took over', () => {
    const { attendances, said } = book();
    const [one, two] = [client(), client()];
    attendances.enters(one, 'd');
    attendances.ended(one, 'connection_lost');
    expect(said()).toEqual([]);
    attendances.enters(one, 'd');
    attendances.connected(one);
    attendances.enters(two, 'd');
    attendances.ended(one, 'kicked');
    expect(attendances.of('d')).not.toBeNull();
    attendances.ended(two, 'connection_lost');
    expect(said()).toEqual(['connected', 'taken_over']);
    expect(attendances.size).toBe(0);
  });

  it('take a device for there as long as anybody listens for it', () => {
    const { attendances, said } = book();
    const one = client();
    attendances.listenedFor('d');
    attendances.enters(one, 'd');
    attendances.connected(one);
    attendances.ended(one, 'disconnected');
    expect(said()).toEqual(['listening']);
    attendances.unheard('d', 'unsubscribed');
    expect(said()).toEqual(['listening', 'unsubscribed']);
    expect(attendances.size).toBe(0);
  });

  it('know nothing of clients that they have not seen, nor of one that closed before it was in', () => {
    const { attendances, said } = book();
    const one = client();
    attendances.connected(one);
    attendances.ended(one, 'kicked');
    attendances.unheard('d', 'unsubscribed');
    attendances.enters(one, 'd');
    attendances.ended(one, 'kicked');
    attendances.connected(one);
    expect(said()).toEqual([]);
    expect(attendances.size).toBe(0);
  });

  it('say nothing once the broker stops', () => {
    const { attendances, said } = book();
    const one = client();
    attendances.enters(one, 'd');
    attendances.connected(one);
    attendances.stop();
    attendances.ended(one, 'kicked');
    expect(said()).toEqual(['connected']);
  });

  it('tell arrivals and departures in turn whatever happens, and end with the truth', () => {
    const step = fc.record({
      client: fc.nat({ max: 3 }),
      what: fc.constantFrom('enters' as const, 'connected' as const, 'ended' as const, 'heard' as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { attendances, told } = book();
        let clients = Array.from({ length: 4 }, client);
        const state = new Map<Client, 'entering' | 'connected'>();
        let heard = false;
        for (const { client: n, what } of steps) {
          const one = clients[n]!;
          if (what === 'heard') {
            heard = !heard;
            if (heard) attendances.listenedFor('d');
            else attendances.unheard('d', 'unsubscribed');
          } else if (what === 'enters' && !state.has(one)) {
            attendances.enters(one, 'd');
            state.set(one, 'entering');
          } else if (what === 'connected' && state.get(one) === 'entering') {
            // The broker has closed who had the id before.
            for (const [before, was] of state) {
              if (was !== 'connected') continue;
              attendances.ended(before, 'kicked');
              state.delete(before);
            }
            attendances.connected(one);
            state.set(one, 'connected');
          } else if (what === 'ended' && state.delete(one)) {
            attendances.ended(one, 'connection_lost');
            clients = clients.with(n, client());
          }
          const isThere = [...state.values()].includes('connected') || heard;
          if (isThere) expect(attendances.of('d')).not.toBeNull();
          if (state.size === 0 && !heard) expect(attendances.of('d')).toBeNull();
        }
        expect(told.map(({ left }) => left === null)).toEqual(told.map((_, i) => i % 2 === 0));
        expect(attendances.of('d') !== null).toBe(told.length % 2 === 1);
        if (state.size === 0 && !heard) expect(attendances.size).toBe(0);
      }),
    );
  });
});
