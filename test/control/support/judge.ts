import { expect } from '@jest/globals';
import { COMMAND_RANK, type CommandStatus } from '../../../src/control/command.machine.js';
import { hasExternalBroker } from '../../support/backends.js';
import { type CommandBody, path } from './rig.js';
import type { WireFacts } from './wire-facts.js';

const STATUS_OF: Readonly<Record<string, CommandStatus>> = {
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  rejected: 'REJECTED',
  cancelled: 'CANCELLED',
};

/** All that must be true of an ended command, given what was seen on the wire. */
export function judge(command: CommandBody, wire: WireFacts, wasCancelled: boolean): void {
  const { id, status, attempts, history, outcome } = command;
  const publishes = wire.publishesOf(id);
  const answers = wire.answersTo(id);
  const finals = wire.finalsOf(id);
  const said = (...statuses: readonly string[]) => answers.some((answer) => statuses.includes(answer.status));

  // One life, told once.
  const ranks = path(command).map((one) => COMMAND_RANK[one as CommandStatus]);
  expect(ranks).toEqual([...new Set(ranks)].toSorted((a, b) => a - b));
  expect([history[0]!.status, history.at(-1)!.status, command.final]).toEqual(['PENDING', status, true]);

  // Counted before it went out.
  expect(publishes.length).toBeLessThanOrEqual(attempts);
  expect(new Set(publishes.map(({ attempt }) => attempt)).size).toBe(publishes.length);
  for (const { attempt } of publishes) expect(attempt).toBeLessThanOrEqual(attempts);

  // Nothing that nobody said.
  if (path(command).includes('DELIVERED')) {
    expect(hasExternalBroker).toBe(false);
    expect(publishes.some(({ acknowledgedAt }) => acknowledgedAt !== null)).toBe(true);
  }
  if (status === 'TIMED_OUT') expect(path(command)).toContain('ACKED');
  if (path(command).includes('ACKED')) expect(said('accepted', 'progress')).toBe(true);
  const told = Object.keys(STATUS_OF).find((one) => STATUS_OF[one] === status);
  const isByDevice = history.at(-1)!.by === 'device' && told !== undefined;
  if (isByDevice) {
    const winner = finals.find((one) => one.status === told && one.result === command.result)!;
    expect(winner).toBeDefined();
    // The first that the device said after it had the command, and heard the broker take.
    const first = publishes[0]?.index ?? Infinity;
    const earlier = finals.filter(
      ({ index, acknowledgedAt }) => index > first && index < winner.index && acknowledgedAt,
    );
    if (!hasExternalBroker) expect(earlier).toEqual([]);
  } else {
    expect(['EXPIRED', 'TIMED_OUT', 'CANCELLED', 'SENT', 'DELIVERED', 'ACKED']).toContain(status);
  }
  if (status === 'CANCELLED' && !isByDevice) {
    expect(attempts).toBe(0);
    expect(command.error?.code === 'SUPERSEDED' || wasCancelled).toBe(true);
  }
  if (outcome === 'not_executed') expect(attempts === 0 || said('rejected', 'cancelled')).toBe(true);
  if (outcome === 'executed') expect(said('succeeded')).toBe(true);
  if (outcome === 'executed_with_error') expect(said('failed')).toBe(true);
  if (command.lateResult) {
    const { status: late, result } = command.lateResult;
    expect(finals.some((one) => one.status === late && one.result === result)).toBe(true);
  }

  // Nothing that was said is passed over: an acknowledgement here means that it counts.
  if (hasExternalBroker) return;
  const end = Date.parse(history.at(-1)!.at);
  const first = publishes[0]?.index ?? Infinity;
  const inTime = finals.filter(
    ({ index, acknowledgedAt }) => index > first && acknowledgedAt !== null && acknowledgedAt < end,
  );
  expect(inTime.map((one) => one.status)).toEqual([]);
  const heard = answers.filter(({ index, acknowledgedAt }) => index > first && acknowledgedAt !== null);
  for (const { acknowledgedAt } of heard) {
    expect(publishes.filter(({ at }) => at > acknowledgedAt!)).toEqual([]);
  }
}

/** Of a queue, each went out only after those before it were out of the way. */
export function judgeQueue(queue: readonly CommandBody[], wire: WireFacts): void {
  for (const [i, { id }] of queue.entries()) {
    const at = wire.publishesOf(id)[0]?.at;
    if (at === undefined) continue;
    for (const older of queue.slice(0, i)) {
      const free = older.history.find(({ status }) => COMMAND_RANK[status as CommandStatus] >= COMMAND_RANK.ACKED);
      const freeAt = free?.at ?? older.history.at(-1)!.at;
      expect(Date.parse(freeAt)).toBeLessThanOrEqual(at);
    }
  }
}
