import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { connectDevice } from '../support/mqtt.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

describe('A large array', () => {
  it('travels in the bulk lane, its readings and its rejects, and a single reading beside it in the prompt one', async () => {
    const readings = jest.spyOn(signalbox.database, 'appendReadings');
    const rejects = jest.spyOn(signalbox.database, 'appendRejects');
    const device = await connectDevice(signalbox.mqttUrl);
    const array = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? { n } : n));
    await Promise.all([
      device.publish('devices/lanes/up/telemetry', JSON.stringify(array)),
      device.publish('devices/lanes/up/telemetry', '{"single": 1}'),
      device.publish('devices/lanes/up/telemetry', 'no JSON'),
    ]);
    await device.end();
    const sent = (calls: readonly (readonly [readonly unknown[], unknown?])[]) =>
      calls.filter(([rows]) => rows.length > 0).map(([rows, lane]) => [rows.length, lane]);
    expect(sent(readings.mock.calls)).toEqual(
      expect.arrayContaining([
        [50, 'bulk'],
        [1, 'prompt'],
      ]),
    );
    expect(sent(readings.mock.calls)).toHaveLength(2);
    expect(sent(rejects.mock.calls)).toEqual(
      expect.arrayContaining([
        [50, 'bulk'],
        [1, 'prompt'],
      ]),
    );
    expect(sent(rejects.mock.calls)).toHaveLength(2);
  });
});
