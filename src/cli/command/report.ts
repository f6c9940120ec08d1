/** A command as the REST API shows it; only what is used here. */
export interface CommandResource {
  readonly id: string;
  readonly deviceId: string;
  readonly status: string;
  readonly final: boolean;
  readonly outcome: string;
  readonly result: unknown;
  readonly error: { readonly code: string | null; readonly message: string | null } | null;
}

/**
 * What became of the command to one device. `accepted`: Signalbox has it, and its end was not waited for; `open`: it had not
 * ended when the wait was over; `refused`: Signalbox did not take it; `unreachable`: nobody knows, because Signalbox was away.
 */
export type Verdict = 'succeeded' | 'accepted' | 'failed' | 'expired' | 'open' | 'refused' | 'unreachable';

/** The command to one device and what became of it; `command` is null where none was made. */
export interface Report {
  readonly deviceId: string;
  readonly verdict: Verdict;
  readonly command: CommandResource | null;
  /** Why there is no command, or why it was not followed to its end. */
  readonly problem: { readonly code: string; readonly detail: string } | null;
}

const NOT_DONE = new Set(['FAILED', 'REJECTED', 'TIMED_OUT', 'CANCELLED']);

/** The verdict on a command as it was last seen. */
export function verdictOf({ status, final }: CommandResource, waited: boolean): Verdict {
  if (!final) return waited ? 'open' : 'accepted';
  if (status === 'EXPIRED') return 'expired';
  return NOT_DONE.has(status) ? 'failed' : 'succeeded';
}

/** True where what was asked for has come true. */
export function isGood({ verdict }: Report): boolean {
  return verdict === 'succeeded' || verdict === 'accepted';
}
