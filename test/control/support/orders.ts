import { between, pick, type Random } from '../../../src/cli/simulate/random.js';
import { post } from '../../support/http.js';
import type { CommandBody } from './truth.js';

/** A command that was asked for, and the answer to that, if there was one. */
export interface Order {
  readonly id: string;
  readonly deviceId: string;
  readonly maxAttempts: number;
}

export interface Asked {
  readonly mode: 'result' | 'ack' | 'none';
  readonly maxAttempts: number;
  readonly ttlMs: number;
  readonly resultTimeoutMs: number;
}

/** Short lives of every kind. */
export function anyCommand(random: Random): Asked {
  return {
    mode: pick(random, ['result', 'result', 'result', 'ack', 'none'] as const),
    maxAttempts: pick(random, [1, 2, 3, 10]),
    ttlMs: Math.round(pick(random, [1_000, between(random, 1_000, 5_000), 12_000])),
    resultTimeoutMs: Math.round(between(random, 1_000, 4_000)),
  };
}

/** Asks for a command; resolves with what was promised with 2xx, or null where the connection broke or another answer came. */
export async function order(httpUrl: string, deviceId: string, asked: Partial<Asked>): Promise<Order | null> {
  const body = { type: 'turn', params: { to: 'left' }, ...asked };
  try {
    const answer = await post<CommandBody>(`${httpUrl}/v1/devices/${deviceId}/commands`, body);
    if (answer.status !== 201 && answer.status !== 202) return null;
    return { id: answer.body.id, deviceId, maxAttempts: asked.maxAttempts ?? 3 };
  } catch {
    return null;
  }
}
