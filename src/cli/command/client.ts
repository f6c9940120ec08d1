import { setTimeout as pause } from 'node:timers/promises';
import { reasonOf, type RefusedError, refusalOf, UnreachableError } from '../service/service-error.js';
import type { CommandResource } from './report.js';

/** Longest wait in one request, in seconds. */
export const LONGEST_WAIT_S = 60;

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** A service that says nothing for so long after the wait is away. */
const SILENCE_MS = 30_000;
const PASSING = new Set([429, 502, 503, 504]);

/** What a request came to where there is no command in the answer. */
class Trouble {
  constructor(
    readonly error: RefusedError | UnreachableError,
    /** Milliseconds after which it may be tried again; null: not at all. */
    readonly retryAfterMs: number | null,
  ) {}
}

type CommandRequestInit = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };

/** Makes commands and waits for them over REST; what fails for the moment is tried again, with the same Idempotency-Key. */
export class CommandClient {
  /** Answers of the service, whatever they said. */
  answers = 0;

  /** `login`: headers of every request; `patienceMs`: for how long a request is tried again; `onAway` is told of each try that got no answer. */
  constructor(
    private readonly url: string,
    private readonly login: Readonly<Record<string, string>>,
    private readonly patienceMs: number,
    private readonly signal: AbortSignal,
    private readonly onAway: (reason: string) => void,
  ) {}

  /** Makes the command, one for each key. Throws RefusedError, UnreachableError. */
  create(deviceId: string, body: object, key: string): Promise<CommandResource> {
    return this.insist(`/v1/devices/${encodeURIComponent(deviceId)}/commands`, 0, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    });
  }

  /** The command when it is final, or as it is after `waitS`. Throws RefusedError, UnreachableError. */
  read(id: string, waitS: number): Promise<CommandResource> {
    return this.insist(`/v1/commands/${encodeURIComponent(id)}?wait=${waitS}`, waitS, {});
  }

  private async insist(path: string, waitS: number, init: CommandRequestInit): Promise<CommandResource> {
    let giveUpAt: number | null = null;
    for (let failures = 0; ; failures++) {
      const answer = await this.request(path, waitS, init);
      if (!(answer instanceof Trouble)) return answer;
      const { error, retryAfterMs } = answer;
      const delay = Math.max(retryAfterMs ?? 0, backoff(failures));
      giveUpAt ??= performance.now() + this.patienceMs;
      if (retryAfterMs === null || this.signal.aborted || performance.now() + delay > giveUpAt) throw error;
      if (error instanceof UnreachableError) this.onAway(error.message);
      await pause(delay, undefined, { signal: this.signal }).catch(() => {
        throw error;
      });
    }
  }

  private async request(path: string, waitS: number, init: CommandRequestInit): Promise<CommandResource | Trouble> {
    const silence = AbortSignal.timeout(waitS * 1_000 + SILENCE_MS);
    try {
      const signal = AbortSignal.any([this.signal, silence]);
      const response = await fetch(this.url + path, {
        ...init,
        headers: { ...init.headers, ...this.login },
        redirect: 'manual',
        signal,
      });
      const text = await response.text();
      this.answers++;
      return response.ok ? (JSON.parse(text) as CommandResource) : troubleOf(response, text);
    } catch (error) {
      if (this.signal.aborted) return new Trouble(new UnreachableError('interrupted'), null);
      return new Trouble(new UnreachableError(silence.aborted ? 'no answer' : reasonOf(error)), 0);
    }
  }
}

function troubleOf({ status, headers }: Response, text: string): Trouble {
  const retryAfter = Number(headers.get('retry-after') ?? 0);
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1_000 : 0;
  return new Trouble(refusalOf(status, text), PASSING.has(status) ? retryAfterMs : null);
}

function backoff(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}
