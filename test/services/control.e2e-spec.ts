import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { NestClient } from './nest-client.js';

interface Command {
  readonly id: string;
  readonly deviceId: string;
  readonly type: string;
  readonly status: string;
  readonly attempts: number;
}

let signalbox: TestApp;
let service: NestClient;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
  service = await NestClient.connect(signalbox.mqttUrl);
});
afterAll(async () => {
  await service.close();
  await signalbox.close();
});

describe('services/control', () => {
  it('sends a command and reads it back', async () => {
    const command = await service.send<Command>('services/control/send', { deviceId: 'fan', type: 'TURN_ON' });
    expect(command).toMatchObject({ deviceId: 'fan', type: 'TURN_ON', params: {}, status: 'PENDING' });
    await eventually('the command is SENT', async () => {
      const { status } = await service.send<Command>('services/control/get', { id: command.id });
      return status === 'SENT';
    });
  });
});
