import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { RawClient } from '../mqtt/support/raw-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(() => signalbox.close());

describe('Many devices', () => {
  it('that come at once are told once each, and whoever else connects does not wait for it', async () => {
    const ids = Array.from({ length: 700 }, (_, i) => `many-${i}`);
    const { database } = signalbox;
    const rows = ids.map((id) => ({ id, link: 'native' as const, created_at: Date.now() }));
    await database.write([database.sql.insertInto('devices').values(rows).compile()]);
    const clients = await Promise.all(ids.map((id) => RawClient.connect(signalbox.mqttPort, id)));
    const toldAs = async (state: string) =>
      (
        await database.point
          .selectFrom('events')
          .select('device_id')
          .where('kind', '=', 'presence')
          .where('type', '=', state)
          .where('device_id', 'like', 'many-%')
          .execute()
      ).map(({ device_id }) => device_id);
    await eventually('all are told', async () => (await toldAs('online')).length >= ids.length);
    for (const client of clients) client.end();
    await eventually('all are told', async () => (await toldAs('offline')).length >= ids.length);
    expect((await toldAs('online')).toSorted()).toEqual(ids.toSorted());
    expect((await toldAs('offline')).toSorted()).toEqual(ids.toSorted());
  });
});
