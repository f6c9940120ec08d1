import { expect } from '@jest/globals';
import { COMMAND_RANK, type CommandStatus } from '../../../src/control/command.machine.js';
import { eventually } from '../../support/eventually.js';
import { get } from '../../support/http.js';
import type { MqttTap, SeenPublish } from './mqtt-tap.js';
import { commandIn } from './mqtt-tap.js';
import type { Deed } from './obedient-device.js';

/** A command as the REST API tells it. */
export interface CommandBody {
  readonly id: string;
  readonly deviceId: string;
  readonly mode: string;
  readonly status: CommandStatus;
  readonly final: boolean;
  readonly outcome: string;
  readonly attempts: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly error: { readonly code: string | null } | null;
  readonly lateResult: { readonly status: string } | null;
  readonly history: readonly { readonly status: CommandStatus; readonly at: string; readonly attempt?: number }[];
}

/** Keeps every publish of a command that goes through taps, by the command's id. */
export class Witness {
  readonly publishes = new Map<string, SeenPublish[]>();

  constructor(...taps: readonly MqttTap[]) {
    for (const tap of taps) {
      tap.onPacket(({ packet }) => {
        const seen = commandIn(packet);
        if (seen) this.publishes.set(seen.topicId, [...this.of(seen.topicId), seen]);
      });
    }
  }

  of(id: string): readonly SeenPublish[] {
    return this.publishes.get(id) ?? [];
  }
}

/** Resolves with the command once it is final. */
export function untilFinal(httpUrl: string, id: string, deadlineMs = 30_000): Promise<CommandBody> {
  return eventually(
    `${id} is final`,
    async () => {
      const { status, body } = await get<CommandBody>(`${httpUrl}/v1/commands/${id}?wait=5`);
      expect([id, status]).toEqual([id, 200]);
      return body.final && body;
    },
    deadlineMs,
  );
}

/**
 * Fails unless the command has ended, and all that is told of it was so: `publishes` are those that left Signalbox, `deed` is
 * what its device had to do with it.
 */
export function expectTruth(
  command: CommandBody,
  maxAttempts: number,
  publishes: readonly SeenPublish[],
  deed: Deed | undefined,
): void {
  const lies: string[] = [];
  const claim = (truth: boolean, what: string): void => void (truth || lies.push(what));
  const { id, status, outcome, attempts, history } = command;
  const was = new Set(history.map((change) => change.status));
  const numbers = publishes.map(({ attempt }) => attempt);

  claim(command.final, 'it is not final');
  claim(history[0]!.status === 'PENDING' && history.at(-1)!.status === status, 'the history begins or ends wrongly');
  const ranks = history.map((change) => COMMAND_RANK[change.status]);
  claim(
    ranks.every((rank, i) => i === 0 || rank > ranks[i - 1]!),
    'the rank has not always risen',
  );
  claim(
    numbers.every((attempt, i) => attempt > (numbers[i - 1] ?? 0)),
    'the attempts have not always risen',
  );
  claim(attempts <= maxAttempts && (numbers.at(-1) ?? 0) <= attempts, 'more was published than was counted or allowed');
  claim(
    publishes.every((publish) => publish.id === id && publish.deviceId === command.deviceId),
    'it went out under another id',
  );
  claim(
    publishes.every(({ ttlMs }) => ttlMs > 0),
    'it was published after its end',
  );
  claim(!was.has('SENT') || attempts > 0, 'SENT without an attempt');
  claim(!was.has('DELIVERED') || (deed?.attempts.length ?? 0) > 0, 'DELIVERED to a device that never got it');
  claim(!was.has('ACKED') || deed?.said.has('accepted') === true, 'ACKED by a device that never said so');
  claim(status !== 'SUCCEEDED' || deed?.said.has('succeeded') === true, 'SUCCEEDED without a word');
  claim(status !== 'FAILED' || deed?.said.has('failed') === true, 'FAILED without a word');
  claim(status !== 'TIMED_OUT' || was.has('ACKED'), 'TIMED_OUT before it was accepted');
  claim(!['REJECTED', 'CANCELLED'].includes(status), 'nobody rejected or cancelled it');
  claim(outcome !== 'not_executed' || (attempts === 0 && publishes.length === 0), 'not_executed, but it was published');
  claim(outcome !== 'executed' || deed?.said.has('succeeded') === true, 'executed without a word');
  claim(
    deed?.acknowledged.has('succeeded') !== true || outcome === 'executed',
    'a result that was acknowledged is lost',
  );
  claim(
    deed?.acknowledged.has('failed') !== true || outcome === 'executed_with_error',
    'a failure that was acknowledged is lost',
  );
  if (lies.length > 0)
    throw new Error(`${lies.join('; ')}: ${JSON.stringify({ command, publishes, deed: told(deed) })}`);
}

function told(deed: Deed | undefined): unknown {
  return deed && { ...deed, said: [...deed.said], acknowledged: [...deed.acknowledged] };
}
