import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { basic, type RequiredApp, startRequired } from '../support/access.js';
import { send } from '../support/http.js';

interface Created {
  readonly credential: { readonly id: string; readonly secret: string };
}

let signalbox: RequiredApp;
beforeAll(async () => {
  signalbox = await startRequired();
});
afterAll(async () => {
  await signalbox.close();
});

/** A device with a login, and a poll of it that waits. */
async function pollOf(id: string, lifeSeconds: number | null = null) {
  const { admin, httpUrl } = signalbox;
  const { body } = await admin.post<Created>('/v1/devices', { id });
  const { credential } = body;
  if (lifeSeconds !== null) await admin.post(`/v1/devices/${id}/credentials`, { overlapSeconds: lifeSeconds });
  const headers = basic(id, credential.secret);
  const answer = send('GET', `${httpUrl}/v1/device/commands/next?wait=20`, headers);
  // It is counted as a poll once it waits.
  const ask = async (): Promise<unknown> => (await admin.get<{ lastSeen: unknown }>(`/v1/devices/${id}`)).body.lastSeen;
  while ((await ask()) === null);
  return { credential, answer };
}

describe('A request that waits', () => {
  it('gets no command that is sent after its credential was revoked', async () => {
    const { admin } = signalbox;
    const { credential, answer } = await pollOf('stolen');
    expect((await admin.delete(`/v1/devices/stolen/credentials/${credential.id}`)).status).toBe(204);
    const { body } = await admin.post<{ id: string }>('/v1/devices/stolen/commands', { type: 'X' });
    expect((await answer).status).toBe(204);
    const { body: command } = await admin.get<{ attempts: number }>(`/v1/commands/${body.id}`);
    expect(command.attempts).toBe(0);
  });

  it('ends when the overlap of its credential does', async () => {
    const began = performance.now();
    const { answer } = await pollOf('overlapping', 1);
    expect((await answer).status).toBe(204);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('goes on where another credential of its device is revoked', async () => {
    const { admin } = signalbox;
    const { answer } = await pollOf('rotated', 600);
    const { body } = await admin.get<{ items: { id: string }[] }>('/v1/devices/rotated/credentials');
    expect((await admin.delete(`/v1/devices/rotated/credentials/${body.items[1]!.id}`)).status).toBe(204);
    await admin.post('/v1/devices/rotated/commands', { type: 'X' });
    expect(await answer).toMatchObject({ status: 200, body: { type: 'X' } });
  });

  it('tells nothing of a command that happens after its key was revoked', async () => {
    const { admin } = signalbox;
    await admin.post('/v1/devices', { id: 'watched' });
    const { body: key } = await admin.post<{ id: string; key: string }>('/v1/api-keys', {
      name: 'watcher',
      scopes: ['commands:read'],
    });
    const { body } = await admin.post<{ id: string }>('/v1/devices/watched/commands', { type: 'X' });
    const answer = signalbox.as(key.key).get(`/v1/commands/${body.id}?wait=20`);
    // Asked and answered on another connection, by when the first is judged.
    await signalbox.as(key.key).get(`/v1/commands/${body.id}`);
    expect((await admin.delete(`/v1/api-keys/${key.id}`)).status).toBe(204);
    await admin.post(`/v1/commands/${body.id}/cancel`, {});
    const { status, body: told } = await answer;
    expect(status === 401 || (told as { status: string }).status === 'PENDING').toBe(true);
  });
});
