import { describe, expect, it } from '@jest/globals';
import { CompiledQuery } from 'kysely';
import { connectAsync } from 'mqtt';
import { SensorService } from '../../src/sensor/sensor.service.js';
import type { SensorMessage } from '../../src/sensor/sensor.message.js';
import { createTestApp } from '../support/app.js';

function message(deviceId: string, payload: string): SensorMessage {
  return {
    deviceId,
    link: 'native',
    topic: `devices/${deviceId}/up/telemetry`,
    payload: Buffer.from(payload),
    receivedAt: Date.now(),
    subject: { kind: 'telemetry', metric: null },
  };
}

describe('a database in trouble', () => {
  it('leaves a whole batch unacknowledged where it is away, rejects included', async () => {
    const box = await createTestApp();
    const sensors = box.app.get(SensorService);
    await box.close();
    const batches = [[message('d', '{"a":1}'), message('d', '[1,{"a":1}]')], [message('d', 'not JSON')]];
    for (const batch of batches) {
      await expect(sensors.record(batch)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    }
    expect(sensors.counts).toMatchObject({ received: 4, notAcknowledged: 4, stored: 0, duplicates: 0, rejected: 0 });
  });

  it('rejects a record that the database refuses, and stores its neighbours', async () => {
    const box = await createTestApp();
    try {
      const refuse = `create trigger refuse before insert on readings when new."values" = '{"a":13}'
        begin select raise(abort, 'bad luck'); end`;
      await box.database.write([CompiledQuery.raw(refuse)]);
      const client = await connectAsync(box.mqttUrl, { reconnectPeriod: 0 });
      await client.publishAsync('devices/d/up/telemetry', '[{"a":12},{"a":13},{"a":14}]', { qos: 1 });
      await client.endAsync();
      const sensors = await (await fetch(`${box.httpUrl}/sensors`)).json();
      expect(sensors).toMatchObject([{ payload: { a: 12 } }, { payload: { a: 14 } }]);
      const rejects = await (await fetch(`${box.httpUrl}/v1/rejects`)).json();
      expect(rejects).toMatchObject({ items: [{ code: 'STORAGE_REFUSED', deviceId: 'd', size: 28 }] });
      expect(box.app.get(SensorService).counts).toMatchObject({ received: 3, stored: 2, rejected: 1 });
    } finally {
      await box.close();
    }
  });
});
