import { describe, expect, it } from '@jest/globals';
import { type Command, COMMAND_DEFAULTS, evolve, foreignPayload, nativePayload, newCommand } from './command.js';

const request = {
  ...COMMAND_DEFAULTS,
  deviceId: 'd',
  type: 'OPEN',
  params: { angle: 30 },
  metadata: { secret: 'never on the wire' },
};
const command: Command = { ...newCommand(request, 'c1', 'native', 1_000), attempts: 2 };

describe('A command', () => {
  it('is asked of a foreign device without an answer, whatever the request says', () => {
    expect(newCommand({ ...request, mode: 'result' }, 'c1', 'foreign', 0).mode).toBe('none');
  });

  it('keeps the time of its last attempt, and one history entry per change of status', () => {
    const sent = [
      { kind: 'attempt', at: 2_000 },
      { kind: 'sent', at: 2_001, attempt: 1 },
      { kind: 'sent', at: 2_002, attempt: 1 },
      { kind: 'attempt', at: 9_000 },
    ] as const;
    const start = newCommand(request, 'c1', 'native', 1_000);
    const last = sent.reduce((before, event) => evolve(before, event) ?? before, start);
    expect(last).toMatchObject({ status: 'SENT', attempts: 2, lastAttemptAt: 9_000 });
    expect(last.history).toEqual([
      { status: 'PENDING', at: 1_000 },
      { status: 'SENT', at: 2_001, attempt: 1 },
    ]);
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
