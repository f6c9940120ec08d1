import { expect, it } from '@jest/globals';
import { event, newDevice, type TestDatabase } from './test-database.js';

/** What every database does with events of several kinds. */
export function itTellsKindsOfEventsApart(open: () => TestDatabase): void {
  it('keeps the kind of an event, of which only one that its device sent shows that there is such a device', async () => {
    const [deviceId, other] = [newDevice(), newDevice()];
    const { database } = open();
    const of = (id: string, kind: 'event' | 'presence') => event({ deviceId: id, kind, type: 'online' });
    await database.appendEvents([of(deviceId, 'event'), of(deviceId, 'presence'), of(other, 'presence')], 'bulk');
    const rows = await database.point
      .selectFrom('events')
      .select(['device_id', 'kind'])
      .where('device_id', 'in', [deviceId, other])
      .orderBy('position')
      .execute();
    expect(rows).toEqual([
      { device_id: deviceId, kind: 'event' },
      { device_id: deviceId, kind: 'presence' },
      { device_id: other, kind: 'presence' },
    ]);
    const devices = database.point.selectFrom('devices').select('id').where('id', 'in', [deviceId, other]);
    expect(await devices.execute()).toEqual([{ id: deviceId }]);
  });
}
