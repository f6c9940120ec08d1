import { describe, expect, it } from '@jest/globals';
import { type Command, foreignPayload, isFinalWhenSent, nativePayload, outcomeOf } from './command.js';

const command: Command = {
  id: 'c1',
  deviceId: 'd',
  link: 'native',
  type: 'OPEN',
  params: { angle: 30 },
  mode: 'result',
  status: 'PENDING',
  final: false,
  attempts: 0,
  createdAt: 1_000,
  expiresAt: 61_000,
  metadata: { secret: 'never on the wire' },
  history: [],
};

describe('A command', () => {
  it('is said not to be executed only while no send has begun', () => {
    expect(outcomeOf({ attempts: 0 })).toBe('not_executed');
    expect(outcomeOf({ attempts: 1 })).toBe('unknown');
  });

  it('is over when sent only where no answer is asked for', () => {
    expect((['none', 'ack', 'result'] as const).map(isFinalWhenSent)).toEqual([true, false, false]);
  });

  it('tells a native device how much time is left, and none once it is over', () => {
    expect(JSON.parse(nativePayload(command, 2, 21_000))).toEqual({
      id: 'c1',
      type: 'OPEN',
      params: { angle: 30 },
      attempt: 2,
      expiresAt: '1970-01-01T00:01:01.000Z',
      ttlMs: 40_000,
    });
    expect(JSON.parse(nativePayload(command, 2, 99_000))).toMatchObject({ ttlMs: 0 });
  });

  it('goes to a foreign device as its name and parameters side by side', () => {
    expect(JSON.parse(foreignPayload(command))).toEqual({ command: 'OPEN', angle: 30 });
  });
});
