import { describe, expect, it } from '@jest/globals';
import {
  advance,
  type Answer,
  type CommandEvent,
  type CommandFate,
  type CommandMode,
  outcomeOf,
} from './command.machine.js';

/**
 * Every state that a command can be in x every event. A cell: the status and outcome after it, `-` where nothing changes, or
 * `+` and what else changes where the status stays.
 */

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

const said = (status: Answer['status'], at = 2_000): CommandEvent => ({ kind: 'answer', at, answer: { status } });
const EVENTS = {
  attempt: { kind: 'attempt', at: 2_000 },
  sent: { kind: 'sent', at: 2_000, attempt: 1 },
  delivered: { kind: 'delivered', at: 2_000, attempt: 1 },
  accepted: said('accepted'),
  progress: { kind: 'answer', at: 2_000, answer: { status: 'progress', progress: 40 } },
  succeeded: said('succeeded'),
  failed: said('failed'),
  rejected: said('rejected'),
  cancelled: said('cancelled'),
  cancel: { kind: 'cancel', at: 2_000 },
  supersede: { kind: 'supersede', at: 2_000 },
  'clock early': { kind: 'clock', at: 2_000 },
  'clock at ttl': { kind: 'clock', at: 60_000 },
} as const satisfies Record<string, CommandEvent>;
type EventName = keyof typeof EVENTS;
type Row = Readonly<Record<EventName, string>>;

/** From a new command, by the events that lead there. */
const STATES: Readonly<Record<string, { readonly by: readonly CommandEvent[]; readonly mode?: CommandMode }>> = {
  'PENDING, unsent': { by: [] },
  'PENDING, attempted': { by: [{ kind: 'attempt', at: 1 }] },
  SENT: { by: [{ kind: 'attempt', at: 1 }, EVENTS.sent] },
  'SENT, out of attempts': { by: [...[1, 2, 3].map((at) => ({ kind: 'attempt', at }) as const), EVENTS.sent] },
  'SENT, cancel requested': { by: [{ kind: 'attempt', at: 1 }, EVENTS.sent, { kind: 'cancel', at: 5 }] },
  'SENT, superseded': { by: [{ kind: 'attempt', at: 1 }, EVENTS.sent, { kind: 'supersede', at: 5 }] },
  'SENT, mode none': { by: [{ kind: 'attempt', at: 1 }, EVENTS.sent], mode: 'none' },
  DELIVERED: { by: [{ kind: 'attempt', at: 1 }, EVENTS.delivered] },
  'DELIVERED, mode none': { by: [{ kind: 'attempt', at: 1 }, EVENTS.delivered], mode: 'none' },
  ACKED: { by: [{ kind: 'attempt', at: 1 }, said('accepted', 1_000)] },
  'ACKED, mode ack': { by: [{ kind: 'attempt', at: 1 }, said('accepted', 1_000)], mode: 'ack' },
  SUCCEEDED: { by: [{ kind: 'attempt', at: 1 }, said('succeeded', 3)] },
  FAILED: { by: [{ kind: 'attempt', at: 1 }, said('failed', 3)] },
  REJECTED: { by: [{ kind: 'attempt', at: 1 }, said('rejected', 3)] },
  'CANCELLED, unsent': { by: [{ kind: 'cancel', at: 3 }] },
  'CANCELLED by a newer one': { by: [{ kind: 'supersede', at: 3 }] },
  'CANCELLED by the device': { by: [{ kind: 'attempt', at: 1 }, said('cancelled', 3)] },
  'EXPIRED, unsent': { by: [EVENTS['clock at ttl']] },
  'EXPIRED, unanswered': { by: [{ kind: 'attempt', at: 1 }, EVENTS.sent, EVENTS['clock at ttl']] },
  TIMED_OUT: { by: [{ kind: 'attempt', at: 1 }, said('accepted', 1), { kind: 'clock', at: 30_001 }] },
  'TIMED_OUT, with a late result': {
    by: [{ kind: 'attempt', at: 1 }, said('accepted', 1), { kind: 'clock', at: 30_001 }, said('failed', 30_002)],
  },
};

const NOTHING: Row = Object.fromEntries(Object.keys(EVENTS).map((name) => [name, '-'])) as unknown as Row;
const FINALS = {
  succeeded: 'SUCCEEDED executed',
  failed: 'FAILED executed_with_error',
  rejected: 'REJECTED not_executed',
  cancelled: 'CANCELLED not_executed',
};
/** Where the end says nothing of the execution, a final answer that comes late does. */
const LATE = {
  succeeded: '+ lateResult outcome: executed',
  failed: '+ lateResult outcome: executed_with_error',
  rejected: '+ lateResult outcome: not_executed',
  cancelled: '+ lateResult outcome: not_executed',
};
/** What is surely known is not moved by it. */
const KEPT = { succeeded: '+ lateResult', failed: '+ lateResult', rejected: '+ lateResult', cancelled: '+ lateResult' };
const OPEN = {
  ...NOTHING,
  ...FINALS,
  accepted: 'ACKED started',
  progress: 'ACKED started',
  delivered: 'DELIVERED unknown',
  'clock at ttl': 'EXPIRED unknown',
};

const TABLE: Readonly<Record<keyof typeof STATES, Row>> = {
  'PENDING, unsent': {
    ...NOTHING,
    attempt: '+ attempts nextAttemptAt outcome: unknown',
    cancel: 'CANCELLED not_executed',
    supersede: 'CANCELLED not_executed',
    'clock at ttl': 'EXPIRED not_executed',
  },
  'PENDING, attempted': {
    ...OPEN,
    attempt: '+ attempts nextAttemptAt',
    sent: 'SENT unknown',
    cancel: '+ cancelRequestedAt nextAttemptAt',
    supersede: '+ nextAttemptAt superseded',
  },
  SENT: {
    ...OPEN,
    attempt: '+ attempts nextAttemptAt',
    cancel: '+ cancelRequestedAt nextAttemptAt',
    supersede: '+ nextAttemptAt superseded',
  },
  'SENT, out of attempts': { ...OPEN, cancel: '+ cancelRequestedAt', supersede: '+ superseded' },
  'SENT, cancel requested': { ...OPEN, supersede: '+ superseded' },
  'SENT, superseded': { ...OPEN, cancel: '+ cancelRequestedAt' },
  'SENT, mode none': { ...NOTHING, ...LATE },
  DELIVERED: { ...OPEN, delivered: '-', cancel: '+ cancelRequestedAt', supersede: '+ superseded' },
  'DELIVERED, mode none': { ...NOTHING, ...LATE },
  ACKED: {
    ...NOTHING,
    ...FINALS,
    accepted: '+ deadlineAt',
    progress: '+ deadlineAt progress',
    cancel: '+ cancelRequestedAt',
    supersede: '+ superseded',
    'clock at ttl': 'TIMED_OUT unknown',
  },
  'ACKED, mode ack': { ...NOTHING, ...LATE },
  SUCCEEDED: { ...NOTHING, ...KEPT, succeeded: '-' },
  FAILED: { ...NOTHING, ...KEPT, failed: '-' },
  REJECTED: { ...NOTHING, ...KEPT, rejected: '-' },
  'CANCELLED, unsent': NOTHING,
  'CANCELLED by a newer one': NOTHING,
  'CANCELLED by the device': { ...NOTHING, ...KEPT, cancelled: '-' },
  'EXPIRED, unsent': NOTHING,
  'EXPIRED, unanswered': { ...NOTHING, ...LATE },
  TIMED_OUT: { ...NOTHING, ...LATE },
  'TIMED_OUT, with a late result': NOTHING,
};

function reach({ by, mode = 'result' }: (typeof STATES)[string]): CommandFate {
  return by.reduce<CommandFate>((fate, event) => advance(fate, event)!.fate, { ...NEW, mode });
}

function cell(fate: CommandFate, event: CommandEvent): string {
  const step = advance(fate, event);
  if (!step) return '-';
  const [before, after] = [outcomeOf(fate), outcomeOf(step.fate)];
  if (step.change) return `${step.fate.status} ${after}`;
  const keys = Object.keys(fate) as (keyof CommandFate)[];
  const changed = keys.filter((key) => fate[key] !== step.fate[key]).toSorted();
  return ['+', ...changed, ...(before === after ? [] : [`outcome: ${after}`])].join(' ');
}

describe.each(Object.keys(STATES))('A command that is %s', (state) => {
  const fate = reach(STATES[state]!);
  it.each(Object.keys(EVENTS) as EventName[])(`after ${state}: %s`, (name) => {
    expect(cell(fate, EVENTS[name])).toBe(TABLE[state]![name]);
  });
});
