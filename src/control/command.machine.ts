import { canonicalJson } from '../common/canonical-json.js';
import type { Json } from '../common/json.js';

/** The observed facts of a command's life and their rank (docs/commands.md); a change of status needs a higher rank. */
export const COMMAND_RANK = {
  PENDING: 0,
  SENT: 1,
  DELIVERED: 2,
  ACKED: 3,
  SUCCEEDED: 9,
  FAILED: 9,
  REJECTED: 9,
  EXPIRED: 9,
  TIMED_OUT: 9,
  CANCELLED: 9,
} as const;

export type CommandStatus = keyof typeof COMMAND_RANK;
export type CommandMode = 'result' | 'ack' | 'none';

/** What is surely known of the execution. */
export type CommandOutcome = 'not_executed' | 'unknown' | 'started' | 'executed' | 'executed_with_error';

const FINAL_ANSWERS = {
  succeeded: { status: 'SUCCEEDED', outcome: 'executed' },
  failed: { status: 'FAILED', outcome: 'executed_with_error' },
  rejected: { status: 'REJECTED', outcome: 'not_executed' },
  cancelled: { status: 'CANCELLED', outcome: 'not_executed' },
} as const;

type FinalAnswer = keyof typeof FINAL_ANSWERS;

/** What a device says of a command (contract section 3, `up/commands/{commandId}`). `progress`: 0 to 100. */
export interface Answer {
  readonly status: 'accepted' | 'progress' | FinalAnswer;
  readonly progress?: number;
  readonly code?: string;
  readonly message?: string;
  readonly result?: Json;
}

export interface CommandError {
  readonly code: string | null;
  readonly message: string | null;
}

/** A final answer that came after the end. `at` in epoch milliseconds. */
export interface LateResult extends CommandError {
  readonly status: FinalAnswer;
  readonly at: number;
  readonly result: Json;
}

/** One change of status. `attempt` counts sends from 1; `by` names who asked for it, where somebody did. */
export interface CommandChange {
  readonly status: CommandStatus;
  readonly at: number;
  readonly attempt?: number;
  readonly by?: string;
}

/** All of a command that its fate depends on. Times in epoch milliseconds, durations in milliseconds. */
export interface CommandFate {
  readonly mode: CommandMode;
  readonly maxAttempts: number;
  readonly resultTimeoutMs: number;
  readonly expiresAt: number;
  readonly status: CommandStatus;
  readonly final: boolean;
  /** Sends begun, committed before each of them. */
  readonly attempts: number;
  readonly deadlineAt: number | null;
  /** From when the next send may begin; null: no more are to come by themselves. */
  readonly nextAttemptAt: number | null;
  readonly cancelRequestedAt: number | null;
  /** A newer command with the same coalesce key has taken its place: it is not sent again. */
  readonly superseded: boolean;
  readonly progress: number | null;
  readonly result: Json;
  readonly error: CommandError | null;
  readonly lateResult: LateResult | null;
}

/** What happened to a command. `at` in epoch milliseconds. */
export type CommandEvent =
  | { readonly kind: 'attempt'; readonly at: number }
  | { readonly kind: 'sent'; readonly at: number; readonly attempt: number }
  | { readonly kind: 'delivered'; readonly at: number; readonly attempt: number }
  | { readonly kind: 'answer'; readonly at: number; readonly answer: Answer }
  | { readonly kind: 'cancel'; readonly at: number; readonly by?: string }
  | { readonly kind: 'supersede'; readonly at: number }
  | { readonly kind: 'clock'; readonly at: number };

/** A fate that moved on, and the entry that its history gets where the status changed. */
export interface Step<F extends CommandFate = CommandFate> {
  readonly fate: F;
  readonly change: CommandChange | null;
}

const FIRST_RESEND_MS = 5_000;
const LAST_RESEND_MS = 60_000;

/** What is surely known: told by the status, and where that leaves it open by a final answer that came late. */
export function outcomeOf({ status, attempts, lateResult }: CommandFate): CommandOutcome {
  const told = outcomeOfStatus(status, attempts);
  const isOpen = told === 'unknown' || told === 'started';
  return isOpen && lateResult ? FINAL_ANSWERS[lateResult.status].outcome : told;
}

function outcomeOfStatus(status: CommandStatus, attempts: number): CommandOutcome {
  switch (status) {
    case 'SUCCEEDED':
      return 'executed';
    case 'FAILED':
      return 'executed_with_error';
    case 'REJECTED':
    case 'CANCELLED':
      return 'not_executed';
    case 'ACKED':
      return 'started';
    case 'PENDING':
    case 'EXPIRED':
      return attempts === 0 ? 'not_executed' : 'unknown';
    default:
      return 'unknown';
  }
}

/** True while a send may begin at `at`: the device has said nothing, attempts and time are left, and nobody wants it stopped. */
export function maySend(fate: CommandFate, at: number): boolean {
  return (
    !fate.final &&
    COMMAND_RANK[fate.status] < COMMAND_RANK.DELIVERED &&
    fate.attempts < fate.maxAttempts &&
    at < fate.expiresAt &&
    fate.cancelRequestedAt === null &&
    !fate.superseded
  );
}

/** When the clock has something to say of this command: its end, or its next send; null where it is final. */
export function dueAt(fate: CommandFate): number | null {
  if (fate.final) return null;
  const end = endOf(fate);
  return fate.nextAttemptAt === null ? end : Math.min(end, fate.nextAttemptAt);
}

/** When the clock ends the command: its ttl before the device has accepted it, then the deadline of its result. Epoch milliseconds. */
export function endOf({ status, deadlineAt, expiresAt }: CommandFate): number {
  return status === 'ACKED' ? deadlineAt! : expiresAt;
}

/** How long after a send the next one may follow: 5, 10, 20, 40, then 60 s. */
export function resendDelayMs(attempt: number): number {
  return Math.min(LAST_RESEND_MS, FIRST_RESEND_MS * 2 ** (attempt - 1));
}

/** What the event makes of the command, or null where it changes nothing. Never lowers a rank, never reopens what is final. */
export function advance<F extends CommandFate>(fate: F, event: CommandEvent): Step<F> | null {
  switch (event.kind) {
    case 'attempt':
      return beginAttempt(fate, event.at);
    case 'sent':
      return arrive(fate, 'SENT', event);
    case 'delivered':
      return arrive(fate, 'DELIVERED', event);
    case 'answer':
      return hear(fate, event.answer, event.at);
    case 'cancel':
      return cancel(fate, event.at, event.by);
    case 'supersede':
      return supersede(fate, event.at);
    default:
      return expire(fate, event.at);
  }
}

function beginAttempt<F extends CommandFate>(fate: F, at: number): Step<F> | null {
  if (!maySend(fate, at)) return null;
  const attempts = fate.attempts + 1;
  const nextAttemptAt = attempts < fate.maxAttempts ? at + resendDelayMs(attempts) : null;
  return { fate: { ...fate, attempts, nextAttemptAt }, change: null };
}

/** An attempt has got so far; one that was never counted has not. */
function arrive<F extends CommandFate>(
  fate: F,
  status: CommandStatus,
  { at, attempt }: { readonly at: number; readonly attempt: number },
): Step<F> | null {
  return attempt > fate.attempts ? null : raise(fate, { status, at, attempt }, fate.mode === 'none');
}

function raise<F extends CommandFate>(fate: F, change: CommandChange, final = false): Step<F> | null {
  if (fate.final || COMMAND_RANK[change.status] <= COMMAND_RANK[fate.status]) return null;
  const speaks = COMMAND_RANK[change.status] >= COMMAND_RANK.DELIVERED;
  const nextAttemptAt = final || speaks ? null : fate.nextAttemptAt;
  return { fate: { ...fate, status: change.status, final, nextAttemptAt }, change };
}

function hear<F extends CommandFate>(fate: F, answer: Answer, at: number): Step<F> | null {
  // A device cannot know of what was never sent to it.
  if (fate.attempts === 0) return null;
  if (answer.status === 'accepted' || answer.status === 'progress') return hearOfStart(fate, answer, at);
  const told = { ...errorOf(answer), status: answer.status, at, result: answer.result ?? null };
  if (fate.final) return hearTooLate(fate, told);
  const { status } = FINAL_ANSWERS[answer.status];
  const step = raise(fate, { status, at, by: 'device' }, true)!;
  const error = status === 'SUCCEEDED' ? null : errorOf(answer);
  return { ...step, fate: { ...step.fate, result: told.result, error } };
}

function hearOfStart<F extends CommandFate>(fate: F, { progress }: Answer, at: number): Step<F> | null {
  if (fate.final) return null;
  const final = fate.mode !== 'result';
  const step = raise(fate, { status: 'ACKED', at, by: 'device' }, final) ?? { fate, change: null };
  const deadlineAt = final ? null : Math.max(step.fate.deadlineAt ?? 0, at + fate.resultTimeoutMs);
  return { ...step, fate: { ...step.fate, deadlineAt, progress: progress ?? step.fate.progress } };
}

/** The first final answer after the end is kept where it differs from what is known. */
function hearTooLate<F extends CommandFate>(fate: F, told: LateResult): Step<F> | null {
  if (fate.lateResult !== null) return null;
  const isRepeat =
    FINAL_ANSWERS[told.status].status === fate.status &&
    canonicalJson(told.result) === canonicalJson(fate.result) &&
    (fate.status === 'SUCCEEDED' || isSameError(errorOf(told), fate.error));
  return isRepeat ? null : { fate: { ...fate, lateResult: told }, change: null };
}

function cancel<F extends CommandFate>(fate: F, at: number, by?: string): Step<F> | null {
  if (fate.final) return null;
  if (fate.attempts === 0) return raise(fate, { status: 'CANCELLED', at, ...(by === undefined ? {} : { by }) }, true);
  if (fate.cancelRequestedAt !== null) return null;
  return { fate: { ...fate, cancelRequestedAt: at, nextAttemptAt: null }, change: null };
}

function supersede<F extends CommandFate>(fate: F, at: number): Step<F> | null {
  if (fate.final || fate.superseded) return null;
  if (fate.attempts > 0) return { fate: { ...fate, superseded: true, nextAttemptAt: null }, change: null };
  const step = raise(fate, { status: 'CANCELLED', at }, true)!;
  const error = { code: 'SUPERSEDED', message: 'A newer command with the same coalesceKey has taken its place.' };
  return { ...step, fate: { ...step.fate, superseded: true, error } };
}

function expire<F extends CommandFate>(fate: F, at: number): Step<F> | null {
  if (fate.final || at < endOf(fate)) return null;
  if (fate.status === 'ACKED') return raise(fate, { status: 'TIMED_OUT', at }, true);
  const step = raise(fate, { status: 'EXPIRED', at }, true)!;
  if (fate.attempts === 0) return step;
  const error = { code: 'NO_ANSWER', message: 'The device did not answer before the ttl was over.' };
  return { ...step, fate: { ...step.fate, error } };
}

function isSameError(told: CommandError, known: CommandError | null): boolean {
  return told.code === known?.code && told.message === known.message;
}

function errorOf({ code, message }: Partial<CommandError>): CommandError {
  return { code: code ?? null, message: message ?? null };
}
