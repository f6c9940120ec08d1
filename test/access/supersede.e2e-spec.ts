import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RequiredApp, startRequired } from '../support/access.js';

let signalbox: RequiredApp;
beforeAll(async () => {
  signalbox = await startRequired();
});
afterAll(async () => {
  await signalbox.close();
});

describe('A key for commands of one type', () => {
  it('does not take the place of a command of another type', async () => {
    const { admin } = signalbox;
    await admin.post('/v1/devices', { id: 'gate' });
    const scopes = ['commands:send:LIGHT'];
    const { body: key } = await admin.post<{ key: string }>('/v1/api-keys', { name: 'light', scopes });
    const path = '/v1/devices/gate/commands';
    const { body: close } = await admin.post<{ id: string }>(path, { type: 'CLOSE', coalesceKey: 'k' });
    const light = { type: 'LIGHT', coalesceKey: 'k' };
    expect(await signalbox.as(key.key).post(path, light)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect((await admin.get(`/v1/commands/${close.id}`)).body).toMatchObject({ status: 'PENDING' });
    expect((await signalbox.as(key.key).post(path, { ...light, coalesceKey: 'other' })).status).toBe(202);
  });
});
