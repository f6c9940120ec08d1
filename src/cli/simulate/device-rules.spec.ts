import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DeviceRules, MAX_RUNNING, REMEMBERED } from './device-rules.js';
import { seededRandom } from './random.js';

const NOW = Date.UTC(2026, 6, 14);

function command(type: string, extra: object = {}): string {
  return JSON.stringify({ id: 'c', type, params: {}, attempt: 1, expiresAt: '', ttlMs: 60_000, ...extra });
}

/** Half-way numbers: no draw of 0.5 makes a command fail. */
function rules(): DeviceRules {
  return new DeviceRules(() => 0.5);
}

function complete(device: DeviceRules, id: string, payload: string): void {
  device.receive(id, payload, NOW);
  device.begin(id, NOW);
  device.proceed(id);
}

describe('a virtual device that gets a command', () => {
  it('accepts it a little later, then succeeds with a result', () => {
    const device = rules();
    const received = device.receive('c1', command('TURN_ON_FAN'), NOW);
    expect(received).toMatchObject({ answer: null, next: { step: 'begin' }, repeated: false });
    expect(received.next!.afterMs).toBeGreaterThan(0);
    expect(device.begin('c1', NOW)).toMatchObject({ answer: { status: 'accepted' }, next: { step: 'proceed' } });
    expect(device.fan).toBe(false);
    expect(device.proceed('c1')).toEqual({
      answer: { status: 'succeeded', result: { fan: true } },
      next: null,
      repeated: false,
    });
    expect(device.fan).toBe(true);
    complete(device, 'c2', command('TURN_OFF_FAN'));
    expect(device.fan).toBe(false);
  });

  it('fails now and then, and then changes nothing', () => {
    const device = new DeviceRules(() => 0.01);
    device.receive('c1', command('TURN_ON_FAN'), NOW);
    device.begin('c1', NOW);
    expect(device.proceed('c1').answer).toMatchObject({ status: 'failed', code: 'ACTUATOR_STUCK' });
    expect(device.fan).toBe(false);
  });

  it('rejects an unknown type, params of the wrong form and what is no command', () => {
    const device = rules();
    const codeOf = (id: string, payload: string) => {
      const { answer, next } = device.receive(id, payload, NOW);
      expect(next).toBeNull();
      expect(answer?.status).toBe('rejected');
      return answer?.code;
    };
    expect(codeOf('c1', command('MAKE_COFFEE'))).toBe('UNKNOWN_TYPE');
    expect(codeOf('c2', command('toString'))).toBe('UNKNOWN_TYPE');
    expect(codeOf('c3', command('SET_TARGET', { params: { temperature: 'warm' } }))).toBe('BAD_PARAMS');
    const unreadable = [
      '',
      'null',
      '[]',
      '7',
      '{"type":1}',
      '{"type":"PING","params":[]}',
      '{"type":"PING","ttlMs":"1"}',
    ];
    for (const [i, payload] of unreadable.entries()) {
      expect(codeOf(`bad${i}`, payload)).toBe('BAD_COMMAND');
    }
  });

  it('rejects it as EXPIRED when its ttl has passed since receipt, to the millisecond', () => {
    const device = rules();
    device.receive('late', command('PING', { ttlMs: 1_000 }), NOW);
    device.receive('early', command('PING', { ttlMs: 1_000 }), NOW);
    expect(device.begin('late', NOW + 1_000)).toMatchObject({
      answer: { status: 'rejected', code: 'EXPIRED' },
      next: null,
    });
    expect(device.begin('early', NOW + 999).answer?.status).toBe('accepted');
  });

  it('says the stored answer again on a repeat, and does nothing twice', () => {
    const device = rules();
    const repeat = () => device.receive('c1', command('TURN_ON_FAN', { attempt: 2 }), NOW);
    device.receive('c1', command('TURN_ON_FAN'), NOW);
    expect(repeat()).toEqual({ answer: null, next: null, repeated: true });
    device.begin('c1', NOW);
    expect(repeat()).toMatchObject({ answer: { status: 'accepted' }, next: null, repeated: true });
    const { answer } = device.proceed('c1');
    complete(device, 'c2', command('TURN_OFF_FAN'));
    expect(repeat()).toEqual({ answer, next: null, repeated: true });
    expect(device.fan).toBe(false);
  });

  it('reports the progress of a calibration step by step, says how far it is on a repeat, and may be cancelled meanwhile', () => {
    const device = rules();
    device.receive('c1', command('CALIBRATE'), NOW);
    device.begin('c1', NOW);
    for (const progress of [20, 40, 60, 80]) {
      const answer = { status: 'progress', progress };
      expect(device.proceed('c1')).toEqual({
        answer,
        next: { step: 'proceed', afterMs: expect.any(Number) },
        repeated: false,
      });
      expect(device.receive('c1', command('CALIBRATE'), NOW)).toEqual({ answer, next: null, repeated: true });
    }
    expect(device.proceed('c1')).toMatchObject({ answer: { status: 'succeeded' }, next: null });
    expect(device.proceed('c1').answer).toBeNull();
    device.receive('c2', command('CALIBRATE'), NOW);
    device.begin('c2', NOW);
    device.proceed('c2');
    expect(device.cancel('c2').answer).toEqual({ status: 'cancelled' });
    expect(device.proceed('c2').answer).toBeNull();
  });

  it('remembers the last 32 finished commands, and no more', () => {
    const device = rules();
    for (let i = 0; i <= REMEMBERED; i++) complete(device, `c${i}`, command('PING'));
    expect(device.receive('c1', command('PING'), NOW).repeated).toBe(true);
    expect(device.receive('c0', command('PING'), NOW).repeated).toBe(false);
  });

  it('remembers what took long as one of the last, although 32 others came and went meanwhile', () => {
    const device = rules();
    device.receive('long', command('CALIBRATE'), NOW);
    device.begin('long', NOW);
    for (let i = 0; i < REMEMBERED; i++) complete(device, `c${i}`, command('PING'));
    device.cancel('long');
    expect(device.receive('long', command('CALIBRATE'), NOW)).toMatchObject({
      answer: { status: 'cancelled' },
      repeated: true,
    });
  });

  it('gives up what is cancelled before it is finished, keeps the answer of what is finished, and ignores the unknown', () => {
    const device = rules();
    device.receive('c1', command('TURN_ON_FAN'), NOW);
    expect(device.cancel('c1').answer).toEqual({ status: 'cancelled' });
    expect(device.begin('c1', NOW)).toEqual({ answer: null, next: null, repeated: false });
    device.receive('c2', command('TURN_ON_FAN'), NOW);
    device.begin('c2', NOW);
    expect(device.cancel('c2').answer).toEqual({ status: 'cancelled' });
    expect(device.proceed('c2').answer).toBeNull();
    expect(device.fan).toBe(false);
    complete(device, 'c3', command('PING'));
    expect(device.cancel('c3')).toMatchObject({ answer: { status: 'succeeded' }, repeated: true });
    expect(device.cancel('c4').answer).toBeNull();
  });

  it('works on a bounded number at once and rejects the others as BUSY, for good', () => {
    const device = rules();
    for (let i = 0; i < MAX_RUNNING; i++) device.receive(`c${i}`, command('PING'), NOW);
    expect(device.receive('more', command('PING'), NOW).answer).toMatchObject({ status: 'rejected', code: 'BUSY' });
    device.begin('c0', NOW);
    device.proceed('c0');
    expect(device.receive('more', command('PING'), NOW)).toMatchObject({ answer: { code: 'BUSY' }, repeated: true });
  });

  it('never gives two different final answers to a command that it remembers, in any order of events', () => {
    const ids = fc.constantFrom('a', 'b', 'c');
    const types = fc.constantFrom('PING', 'TURN_ON_FAN', 'NO_SUCH', 'SET_TARGET', 'CALIBRATE');
    const events = fc.constantFrom('receive', 'begin', 'proceed', 'cancel');
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.tuple(events, ids, types, fc.nat(2_000)), { maxLength: 60 }), (seed, steps) => {
        const device = new DeviceRules(seededRandom(seed, 0));
        const finals = new Map<string, unknown>();
        let now = NOW;
        for (const [event, id, type, pause] of steps) {
          now += pause;
          const { answer } =
            event === 'receive'
              ? device.receive(id, command(type, { ttlMs: 3_000 }), now)
              : event === 'begin'
                ? device.begin(id, now)
                : event === 'proceed'
                  ? device.proceed(id)
                  : device.cancel(id);
          if (!answer) continue;
          if (finals.has(id)) expect(answer).toEqual(finals.get(id));
          else if (answer.status !== 'accepted' && answer.status !== 'progress') finals.set(id, answer);
        }
      }),
    );
  });
});
