import { setTimeout as wait } from 'node:timers/promises';
import { monotonicMs } from '../monotonic.js';
import { isPassing } from './postgres-fault.js';

const FIRST_PAUSE_MS = 30;
const LAST_PAUSE_MS = 1_000;

/** Until when (monotonic ms) something is worth trying, and what ends it earlier. */
export interface Patience {
  readonly until: number;
  readonly stop: AbortSignal;
}

/** Calls `attempt` until it succeeds or fails for good, with growing pauses of random length. Throws its last error when there is no more time. */
export async function retry<T>({ until, stop }: Patience, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LAST_PAUSE_MS) * (0.5 + Math.random());
      if (!isPassing(error) || stop.aborted || monotonicMs() + pause >= until) throw error;
      await wait(pause, undefined, { signal: stop }).catch(() => {});
    }
  }
}
