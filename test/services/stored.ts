import type { MqttClient } from 'mqtt';
import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';

/**
 * Publishes readings of a native device and resolves when they are stored: at an external broker an acknowledgement does not
 * say so. Each of them must be new.
 */
export async function publishStored(
  app: TestApp,
  client: MqttClient,
  deviceId: string,
  payload: unknown,
): Promise<void> {
  const expected = (await countReadings(app, deviceId)) + (Array.isArray(payload) ? payload.length : 1);
  await client.publishAsync(`devices/${deviceId}/up/telemetry`, JSON.stringify(payload), { qos: 1 });
  await eventually('the readings are stored', async () => (await countReadings(app, deviceId)) === expected);
}

async function countReadings({ database }: TestApp, deviceId: string): Promise<number> {
  const { count } = await database.point
    .selectFrom('readings')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('device_id', '=', deviceId)
    .executeTakeFirstOrThrow();
  return count;
}
