import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readApiKey } from '../../src/common/secrets.js';
import { basic, type RequiredApp, type Requests, requestsWith, startRequired } from '../support/access.js';
import type { Answer } from '../support/http.js';
import { gatherRoutes, type ServedRoute } from './matrix-rest.routes.js';

/** What a request is to leave in the audit log. */
interface Change {
  readonly ask: () => Promise<Answer>;
  readonly entries: readonly (readonly [action: string, target: string])[];
}

let box: RequiredApp;
let routes: readonly ServedRoute[];
let admin: Requests;
beforeAll(async () => {
  let served: (() => ServedRoute[]) | undefined;
  box = await startRequired({ DEVICE_REGISTRATION: 'approve' }, undefined, (app) => (served = gatherRoutes(app)));
  routes = served!();
  admin = box.admin;
});
afterAll(() => box.close());

const adminId = () => readApiKey(box.adminKey)!.id;
const makeKey = async () =>
  (await admin.post<{ id: string; key: string }>('/v1/api-keys', { name: 'k', scopes: ['commands:read'] })).body;
const makeDevice = async (id: string) =>
  (await admin.post<{ id: string; credential: { id: string; secret: string } }>('/v1/devices', { id })).body;
const sendCommand = async (deviceId: string) =>
  (await admin.post<{ id: string }>(`/v1/devices/${deviceId}/commands`, { type: 'TURN_ON_FAN' })).body.id;
const devicesOf = async ({ id, credential }: Awaited<ReturnType<typeof makeDevice>>) =>
  requestsWith(box.httpUrl, basic(id, credential.secret));

/** The requests that change something, by their route. Each makes ready what it needs. */
const CHANGES: Readonly<Record<string, () => Promise<Change>>> = {
  'POST /v1/api-keys': async () => {
    const answer = await admin.post<{ id: string }>('/v1/api-keys', { name: 'k', scopes: ['commands:read'] });
    return { ask: async () => answer, entries: [['key.create', answer.body.id]] };
  },
  'DELETE /v1/api-keys/{}': async () => {
    const { id } = await makeKey();
    return { ask: () => admin.delete(`/v1/api-keys/${id}`), entries: [['key.revoke', id]] };
  },
  'POST /v1/session': async () => ({
    ask: () => requestsWith(box.httpUrl, {}).post('/v1/session', { key: box.adminKey }),
    entries: [['session.create', adminId()]],
  }),
  'DELETE /v1/session': async () => {
    const { headers } = await requestsWith(box.httpUrl, {}).post('/v1/session', { key: box.adminKey });
    const page = requestsWith(box.httpUrl, { cookie: headers.get('set-cookie')!.split(';')[0]!, origin: box.httpUrl });
    return { ask: () => page.delete('/v1/session'), entries: [['session.end', adminId()]] };
  },
  'POST /v1/devices': async () => ({
    ask: () => admin.post('/v1/devices', { id: 'made' }),
    entries: [['device.create', 'made']],
  }),
  'POST /v1/devices/import': async () => ({
    ask: () =>
      admin.post('/v1/devices/import', '{"id":"first"}\n{"id":"second"}', { 'content-type': 'application/x-ndjson' }),
    entries: [
      ['device.create', 'first'],
      ['device.create', 'second'],
    ],
  }),
  'PATCH /v1/devices/{}': async () => {
    await makeDevice('patched');
    return {
      ask: () => admin.patch('/v1/devices/patched', { name: 'a name', enabled: false }),
      entries: [
        ['device.update', 'patched'],
        ['device.disable', 'patched'],
      ],
    };
  },
  'POST /v1/devices/{}/approve': async () => {
    await makeDevice('pending');
    const { sql } = box.database;
    await box.database.write([sql.updateTable('devices').set({ approved: 0 }).where('id', '=', 'pending').compile()]);
    return { ask: () => admin.post('/v1/devices/pending/approve', {}), entries: [['device.approve', 'pending']] };
  },
  'DELETE /v1/devices/{}': async () => {
    await makeDevice('deleted');
    // It is shut out first, so that nothing of it comes while it is removed.
    return {
      ask: () => admin.delete('/v1/devices/deleted'),
      entries: [
        ['device.disable', 'deleted'],
        ['device.delete', 'deleted'],
      ],
    };
  },
  'POST /v1/devices/{}/credentials': async () => {
    await makeDevice('rotated');
    const answer = await admin.post<{ id: string }>('/v1/devices/rotated/credentials', {});
    return { ask: async () => answer, entries: [['credential.create', `rotated/${answer.body.id}`]] };
  },
  'DELETE /v1/devices/{}/credentials/{}': async () => {
    const { credential } = await makeDevice('revoked');
    return {
      ask: () => admin.delete(`/v1/devices/revoked/credentials/${credential.id}`),
      entries: [['credential.revoke', `revoked/${credential.id}`]],
    };
  },
};

/** What writes and is not in the audit log, and why. */
const ELSEWHERE: Readonly<Record<string, { readonly why: string; readonly ask: () => Promise<Answer> }>> = {
  'POST /control': {
    why: 'a command is its own log: its history says who asked for it, for as long as it is kept',
    ask: async () => {
      await makeDevice('controlled');
      return admin.post('/control', { command: 'TURN_ON_FAN', deviceId: 'controlled' });
    },
  },
  'POST /v1/devices/{}/commands': {
    why: 'as for POST /control',
    ask: async () => {
      await makeDevice('commanded');
      return admin.post('/v1/devices/commanded/commands', { type: 'TURN_ON_FAN' });
    },
  },
  'POST /v1/commands/{}/cancel': {
    why: 'as for POST /control: the history says who cancelled it',
    ask: async () => {
      await makeDevice('cancelled');
      return admin.post(`/v1/commands/${await sendCommand('cancelled')}/cancel`, {});
    },
  },
  'POST /v1/device/commands/{}': {
    why: 'the answer of a device, in the history of the command',
    ask: async () => {
      const device = await makeDevice('answering');
      const id = await sendCommand('answering');
      const itself = await devicesOf(device);
      await itself.get('/v1/device/commands/next');
      return itself.post(`/v1/device/commands/${id}`, { status: 'succeeded' });
    },
  },
  'POST /v1/device/telemetry': {
    why: 'telemetry, which has its own log',
    ask: async () =>
      (await devicesOf(await makeDevice('measuring'))).post('/v1/device/telemetry', { temperature: 21.5 }),
  },
  'POST /publish': {
    why: 'a message, which the raw message log has; it changes nothing of Signalbox',
    ask: () => admin.post('/publish', { topic: 'demo/x', message: 'hello' }),
  },
  'POST /internal/mqtt/auth': {
    why: 'a question of a broker, which changes nothing',
    ask: () => admin.post('/internal/mqtt/auth', {}),
  },
  'POST /internal/mqtt/acl': {
    why: 'as for /internal/mqtt/auth',
    ask: () => admin.post('/internal/mqtt/acl', {}),
  },
};

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly ip: string;
  readonly requestId: string;
}
const entriesOf = async (answer: Answer) => {
  const { body } = await admin.get<{ items: Entry[] }>('/v1/audit?limit=1000');
  return body.items.filter(({ requestId }) => requestId === answer.headers.get('x-request-id')).toReversed();
};

describe('The audit log', () => {
  it('is thought of for every route that writes', () => {
    const writing = routes.filter(({ method }) => method !== 'GET');
    const names = writing.map(({ method, url }) => `${method} ${url.replaceAll(/:[^/]+/g, '{}')}`);
    expect(names.toSorted()).toEqual([...Object.keys(CHANGES), ...Object.keys(ELSEWHERE)].toSorted());
  });

  it.each(Object.keys(CHANGES))(
    'has what %s changes, once, with who, from where and by which request',
    async (name) => {
      const { ask, entries } = await CHANGES[name]!();
      const answer = await ask();
      expect([200, 201, 204]).toContain(answer.status);
      const found = await entriesOf(answer);
      expect(found.map(({ action, target }) => [action, target])).toEqual(entries);
      for (const { actor, ip } of found) expect([actor, ip]).toEqual([adminId(), '127.0.0.1']);
    },
  );

  it.each(Object.entries(ELSEWHERE))('has nothing of %s: %j', async (_, { ask }) => {
    const answer = await ask();
    expect([200, 201, 202, 204]).toContain(answer.status);
    expect(await entriesOf(answer)).toEqual([]);
  });

  it('has nothing of a change that was refused', async () => {
    await makeDevice('there');
    for (const answer of [
      await admin.post('/v1/devices', { id: 'there' }),
      await admin.post('/v1/api-keys', { name: 'k', scopes: ['nonsense'] }),
      await admin.delete(`/v1/api-keys/${adminId()}`),
      await admin.delete('/v1/devices/not-there'),
      await requestsWith(box.httpUrl, {}).post('/v1/devices', { id: 'nobody' }),
      await requestsWith(box.httpUrl, {}).post('/v1/session', { key: 'nonsense' }),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(await entriesOf(answer)).toEqual([]);
    }
  });

  it('leaves to the history of a command who asked for it', async () => {
    await makeDevice('historic');
    const { body } = await admin.get<{ history: { by?: string }[] }>(`/v1/commands/${await sendCommand('historic')}`);
    expect(JSON.stringify(body.history)).toContain(adminId());
  });
});
