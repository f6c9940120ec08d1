import { expect } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { eventually } from '../support/eventually.js';
import { type Answer, get, post } from '../support/http.js';

/** A command as REST shows it. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  readonly final: boolean;
  readonly outcome: string;
  readonly attempts: number;
  readonly expiresAt: string;
  readonly cancelRequestedAt: string | null;
  readonly progress: number | null;
  readonly result: unknown;
  readonly history: readonly { readonly status: string; readonly attempt?: number; readonly by?: string }[];
}

/** A command as its device gets it. */
export interface Handed {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
}

/** The header of a login with HTTP Basic. */
export const basic = (login: string) => ({
  authorization: `Basic ${Buffer.from(login, 'utf8').toString('base64')}`,
});

/** A device that speaks HTTP only, at the service with this address; and what others do with its commands there. */
export function httpDevice(httpUrl: string, id = `device-${newId()}`) {
  const login = basic(`${id}:secret`);
  return {
    id,
    login,
    next: (wait = '', signal?: AbortSignal): Promise<Answer<Handed>> =>
      get<Handed>(`${httpUrl}/v1/device/commands/next${wait && `?wait=${wait}`}`, login, signal),
    answer: <T = unknown>(commandId: string, body: unknown): Promise<Answer<T>> =>
      post<T>(`${httpUrl}/v1/device/commands/${commandId}`, body, login),
    telemetry: <T = unknown>(body: unknown): Promise<Answer<T>> =>
      post<T>(`${httpUrl}/v1/device/telemetry`, body, login),
    command: async (fields: object = {}): Promise<Shown> => {
      const { status, body } = await post<Shown>(`${httpUrl}/v1/devices/${id}/commands`, { type: 'X', ...fields });
      // 201 where a device that waits for it was so fast that it has ended.
      expect([201, 202]).toContain(status);
      return body;
    },
    read: async (commandId: string): Promise<Shown> => (await get<Shown>(`${httpUrl}/v1/commands/${commandId}`)).body,
    cancel: (commandId: string): Promise<Answer<Shown>> =>
      post<Shown>(`${httpUrl}/v1/commands/${commandId}/cancel`, {}),
    is: (commandId: string, status: string): Promise<Shown> =>
      eventually(`the command is ${status}`, async () => {
        const { body } = await get<Shown>(`${httpUrl}/v1/commands/${commandId}`);
        return body.status === status && body;
      }),
  };
}
