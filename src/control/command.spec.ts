import { describe, expect, it } from '@jest/globals';
import { type Command, COMMAND_DEFAULTS, evolve, foreignPayload, nativePayload, newCommand } from './command.js';
import type { Answer, CommandEvent } from './command.machine.js';

const request = {
  ...COMMAND_DEFAULTS,
  deviceId: 'd',
  type: 'OPEN',
  params: { angle: 30 },
  metadata: { secret: 'never on the wire' },
};
const command: Command = { ...newCommand(request, 'c1', 'native', 1_000, 'anyone'), attempts: 2 };
const start = newCommand(request, 'c1', 'native', 1_000, 'anyone');

const says = (at: number, status: Answer['status'], progress?: number): CommandEvent => ({
  kind: 'answer',
  at,
  answer: { status, ...(progress === undefined ? {} : { progress }) },
});

/** The command after these events; those that change nothing are passed over. */
const after = (events: readonly CommandEvent[], from = start): Command =>
  events.reduce((before, event) => evolve(before, event) ?? before, from);

describe('A command', () => {
  it('is asked of a foreign device without an answer, whatever the request says', () => {
    expect(newCommand({ ...request, mode: 'result' }, 'c1', 'foreign', 0, 'anyone').mode).toBe('none');
  });

  it('keeps the time of its last attempt, and one history entry per change of status', () => {
    const last = after([
      { kind: 'attempt', at: 2_000 },
      { kind: 'attempt', at: 9_000 },
      { kind: 'sent', at: 9_001, attempt: 1 },
      { kind: 'sent', at: 9_002, attempt: 2 },
    ]);
    expect(last).toMatchObject({ status: 'SENT', attempts: 2, lastAttemptAt: 9_000 });
    expect(last.history).toEqual([
      { status: 'PENDING', at: 1_000, by: 'anyone' },
      { status: 'SENT', at: 9_001, attempt: 1 },
    ]);
  });

  it('has a history whose times rise, although an answer came in before the send was recorded', () => {
    const attempt = { kind: 'attempt', at: 2_000 } as const;
    const { history } = after([attempt, { kind: 'sent', at: 2_005, attempt: 1 }, says(2_003, 'accepted')]);
    expect(history.map(({ status, at }) => [status, at])).toEqual([
      ['PENDING', 1_000],
      ['SENT', 2_005],
      ['ACKED', 2_005],
    ]);
  });

  it('is not begun to be sent at the very end of its ttl', () => {
    expect(after([{ kind: 'attempt', at: start.expiresAt - 1 }]).attempts).toBe(1);
    expect(after([{ kind: 'attempt', at: start.expiresAt }]).attempts).toBe(0);
  });

  it('keeps the progress that was told last, and the later of two deadlines whose words came out of order', () => {
    const words = [says(5_000, 'progress', 40), says(4_000, 'accepted')];
    expect(after([{ kind: 'attempt', at: 2_000 }, ...words])).toMatchObject({ progress: 40, deadlineAt: 35_000 });
  });

  it('of mode none ends with the word that it has begun, where that comes before the word of the broker', () => {
    const ofNone = newCommand({ ...request, mode: 'none' }, 'c1', 'native', 1_000, 'anyone');
    const told = after([{ kind: 'attempt', at: 2_000 }, says(2_001, 'accepted')], ofNone);
    expect(told).toMatchObject({ status: 'ACKED', final: true, deadlineAt: null });
  });

  it('tells a native device how much time is left, and none once it is over', () => {
    expect(JSON.parse(nativePayload(command, 21_000))).toEqual({
      id: 'c1',
      type: 'OPEN',
      params: { angle: 30 },
      attempt: 2,
      expiresAt: '1970-01-01T00:01:01.000Z',
      ttlMs: 40_000,
    });
    expect(JSON.parse(nativePayload(command, 99_000))).toMatchObject({ ttlMs: 0 });
  });

  it('goes to a foreign device as its name and parameters side by side', () => {
    expect(JSON.parse(foreignPayload(command))).toEqual({ command: 'OPEN', angle: 30 });
  });
});
