import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  advance,
  type Answer,
  type CommandEvent,
  type CommandFate,
  COMMAND_RANK,
  type CommandStatus,
  dueAt,
  maySend,
  outcomeOf,
  resendDelayMs,
} from './command.machine.js';

const NEW: CommandFate = {
  mode: 'result',
  maxAttempts: 3,
  resultTimeoutMs: 30_000,
  expiresAt: 60_000,
  status: 'PENDING',
  final: false,
  attempts: 0,
  deadlineAt: null,
  nextAttemptAt: 0,
  cancelRequestedAt: null,
  superseded: false,
  progress: null,
  result: null,
  error: null,
  lateResult: null,
};

const answer = (status: Answer['status'], at = 10, more: Partial<Answer> = {}): CommandEvent => ({
  kind: 'answer',
  at,
  answer: { status, ...more },
});
const attempt = (at = 1): CommandEvent => ({ kind: 'attempt', at });
const sent = (at = 2): CommandEvent => ({ kind: 'sent', at, attempt: 1 });
const delivered = (at = 3): CommandEvent => ({ kind: 'delivered', at, attempt: 1 });
const clock = (at: number): CommandEvent => ({ kind: 'clock', at });
const cancel = (at = 20): CommandEvent => ({ kind: 'cancel', at, by: 'key' });
const supersede = (at = 20): CommandEvent => ({ kind: 'supersede', at });

/** The fate after these events; those that change nothing are passed over. */
function after(events: readonly CommandEvent[], from: Partial<CommandFate> = {}): CommandFate {
  return events.reduce<CommandFate>((fate, event) => advance(fate, event)?.fate ?? fate, { ...NEW, ...from });
}

describe('A command', () => {
  it.each<[string, readonly CommandEvent[], Partial<CommandFate>, CommandStatus, boolean, string]>([
    ['is pending at first', [], {}, 'PENDING', false, 'not_executed'],
    ['may be under way once a send has begun', [attempt()], {}, 'PENDING', false, 'unknown'],
    ['is sent when the broker has it', [attempt(), sent()], {}, 'SENT', false, 'unknown'],
    ['ends when sent where no answer is wanted', [attempt(), sent()], { mode: 'none' }, 'SENT', true, 'unknown'],
    ['is delivered', [attempt(), sent(), delivered()], {}, 'DELIVERED', false, 'unknown'],
    [
      'is delivered before the broker said it has it',
      [attempt(), delivered(), sent()],
      {},
      'DELIVERED',
      false,
      'unknown',
    ],
    [
      'ends when delivered where no answer is wanted',
      [attempt(), delivered()],
      { mode: 'none' },
      'DELIVERED',
      true,
      'unknown',
    ],
    ['is started', [attempt(), sent(), answer('accepted')], {}, 'ACKED', false, 'started'],
    ['is started by a word of progress', [attempt(), answer('progress')], {}, 'ACKED', false, 'started'],
    ['ends when started in mode ack', [attempt(), answer('accepted')], { mode: 'ack' }, 'ACKED', true, 'started'],
    ['succeeds', [attempt(), sent(), answer('succeeded')], {}, 'SUCCEEDED', true, 'executed'],
    ['succeeds before it counts as sent', [attempt(), answer('succeeded'), sent()], {}, 'SUCCEEDED', true, 'executed'],
    ['fails', [attempt(), answer('failed')], {}, 'FAILED', true, 'executed_with_error'],
    ['is rejected', [attempt(), answer('rejected')], {}, 'REJECTED', true, 'not_executed'],
    ['is cancelled by the device', [attempt(), cancel(), answer('cancelled')], {}, 'CANCELLED', true, 'not_executed'],
    ['is cancelled before any send', [cancel()], {}, 'CANCELLED', true, 'not_executed'],
    [
      'goes on where a cancel came too late',
      [attempt(), cancel(), answer('succeeded')],
      {},
      'SUCCEEDED',
      true,
      'executed',
    ],
    ['is superseded before any send', [supersede()], {}, 'CANCELLED', true, 'not_executed'],
    ['goes on where it was superseded too late', [attempt(), sent(), supersede()], {}, 'SENT', false, 'unknown'],
    ['expires unsent', [clock(60_000)], {}, 'EXPIRED', true, 'not_executed'],
    ['expires unanswered', [attempt(), sent(), delivered(), clock(60_000)], {}, 'EXPIRED', true, 'unknown'],
    [
      'does not expire once started',
      [attempt(), answer('accepted', 59_999), clock(60_000)],
      {},
      'ACKED',
      false,
      'started',
    ],
    [
      'times out once started',
      [attempt(), answer('accepted', 59_999), clock(89_999)],
      {},
      'TIMED_OUT',
      true,
      'unknown',
    ],
    [
      'has its deadline moved by progress',
      [attempt(), answer('accepted', 10), answer('progress', 29_000), clock(30_010)],
      {},
      'ACKED',
      false,
      'started',
    ],
    [
      'keeps the first of two finals',
      [attempt(), answer('failed'), answer('succeeded')],
      {},
      'FAILED',
      true,
      'executed_with_error',
    ],
    [
      'has a late result where it expired',
      [attempt(), clock(60_000), answer('succeeded', 70_000)],
      {},
      'EXPIRED',
      true,
      'executed',
    ],
    [
      'has a late refusal where it expired',
      [attempt(), clock(60_000), answer('rejected', 70_000)],
      {},
      'EXPIRED',
      true,
      'not_executed',
    ],
    [
      'has a late result in mode ack',
      [attempt(), answer('accepted'), answer('failed')],
      { mode: 'ack' },
      'ACKED',
      true,
      'executed_with_error',
    ],
    [
      'has a late result in mode none',
      [attempt(), sent(), answer('succeeded')],
      { mode: 'none' },
      'SENT',
      true,
      'executed',
    ],
    ['is not moved by an answer to what was never sent', [answer('succeeded')], {}, 'PENDING', false, 'not_executed'],
    [
      'is not moved by an answer after it was cancelled unsent',
      [cancel(), answer('succeeded')],
      {},
      'CANCELLED',
      true,
      'not_executed',
    ],
  ])('%s', (_, events, from, status, final, outcome) => {
    const fate = after(events, from);
    expect([fate.status, fate.final, outcomeOf(fate)]).toEqual([status, final, outcome]);
  });

  it('says that nobody answered only where it was sent', () => {
    expect(after([clock(60_000)]).error).toBeNull();
    expect(after([attempt(), clock(60_000)]).error?.code).toBe('NO_ANSWER');
  });

  it('keeps the first late result that differs, and takes a repeated answer for what it is', () => {
    const done = after([attempt(), answer('succeeded', 10, { result: { a: 1 } })]);
    expect(advance(done, answer('succeeded', 11, { result: { a: 1 } }))).toBeNull();
    const late = advance(done, answer('failed', 12, { code: 'E' }))!.fate;
    expect(late.lateResult).toEqual({ status: 'failed', at: 12, code: 'E', message: null, result: null });
    expect([late.status, outcomeOf(late)]).toEqual(['SUCCEEDED', 'executed']);
    expect(advance(late, answer('rejected', 13))).toBeNull();
  });

  it('keeps what the device told with its answer', () => {
    const failed = after([attempt(), answer('failed', 5, { code: 'JAM', message: 'stuck', result: [1] })]);
    expect([failed.error, failed.result]).toEqual([{ code: 'JAM', message: 'stuck' }, [1]]);
    expect(after([attempt(), answer('progress', 5, { progress: 40 })]).progress).toBe(40);
  });

  it('is sent again after 5, 10, 20, 40 and 60 s, and no more once its attempts are used up', () => {
    expect([1, 2, 3, 4, 5, 6, 9].map(resendDelayMs)).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    expect(after([attempt(100)]).nextAttemptAt).toBe(5_100);
    expect(after([attempt(100), attempt(5_100), attempt(15_100)])).toMatchObject({ attempts: 3, nextAttemptAt: null });
    expect(advance(after([attempt(), attempt(), attempt()]), attempt())).toBeNull();
  });

  it('is due for its next send or its end, whichever is first, and never once final', () => {
    expect(dueAt(NEW)).toBe(0);
    expect(dueAt(after([attempt(1)]))).toBe(5_001);
    expect(dueAt(after([attempt(59_000)]))).toBe(60_000);
    expect(dueAt(after([attempt(), answer('accepted', 50_000)]))).toBe(80_000);
    expect(dueAt(after([cancel()]))).toBeNull();
  });

  const arbitraryAnswer = fc.record(
    {
      status: fc.constantFrom(...(['accepted', 'progress', 'succeeded', 'failed', 'rejected', 'cancelled'] as const)),
      progress: fc.integer({ min: 0, max: 100 }),
      code: fc.string(),
      result: fc.jsonValue() as fc.Arbitrary<never>,
    },
    { requiredKeys: ['status'] },
  );
  const at = fc.integer({ min: 0, max: 200_000 });
  const arbitraryEvent: fc.Arbitrary<CommandEvent> = fc.oneof(
    fc.record({ kind: fc.constant('attempt' as const), at }),
    fc.record({ kind: fc.constant('sent' as const), at, attempt: fc.constant(1) }),
    fc.record({ kind: fc.constant('delivered' as const), at, attempt: fc.constant(1) }),
    fc.record({ kind: fc.constant('answer' as const), at, answer: arbitraryAnswer }),
    fc.record({ kind: fc.constant('cancel' as const), at }),
    fc.record({ kind: fc.constant('supersede' as const), at }),
    fc.record({ kind: fc.constant('clock' as const), at }),
  );
  const arbitraryStart = fc.record({
    mode: fc.constantFrom('result' as const, 'ack' as const, 'none' as const),
    maxAttempts: fc.integer({ min: 1, max: 10 }),
  });

  it('keeps to the rules whatever happens in whatever order', () => {
    fc.assert(
      fc.property(arbitraryStart, fc.array(arbitraryEvent, { maxLength: 30 }), (start, events) => {
        let fate: CommandFate = { ...NEW, ...start };
        for (const event of events) {
          const step = advance(fate, event);
          if (!step) continue;
          const next = step.fate;
          expect(COMMAND_RANK[next.status]).toBeGreaterThanOrEqual(COMMAND_RANK[fate.status]);
          expect(step.change?.status ?? fate.status).toBe(next.status);
          if (step.change) expect(COMMAND_RANK[next.status]).toBeGreaterThan(COMMAND_RANK[fate.status]);
          if (fate.final) expect([next.final, next.status, step.change]).toEqual([true, fate.status, null]);
          if (next.attempts > fate.attempts) expect(maySend(fate, event.at)).toBe(true);
          expect(next.attempts).toBeLessThanOrEqual(start.maxAttempts);
          if (next.final) expect(dueAt(next)).toBeNull();
          fate = next;
        }
        const toldByDevice = ['REJECTED', 'CANCELLED'].includes(fate.status) || fate.lateResult !== null;
        if (outcomeOf(fate) === 'not_executed' && !toldByDevice) expect(fate.attempts).toBe(0);
        if (
          COMMAND_RANK[fate.status] >= COMMAND_RANK.ACKED &&
          !['EXPIRED', 'TIMED_OUT', 'CANCELLED'].includes(fate.status)
        )
          expect(events.some(({ kind }) => kind === 'answer')).toBe(true);
        if (fate.status === 'DELIVERED') expect(events.some(({ kind }) => kind === 'delivered')).toBe(true);
      }),
    );
  });
});
