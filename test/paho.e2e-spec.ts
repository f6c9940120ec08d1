import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestApp } from './support/app.js';
import type { TestApp } from './support/app.js';
import { eventually } from './support/eventually.js';
import { get, post } from './support/http.js';
import { describeWith, endChild, services } from './support/services.js';

interface Said {
  readonly ready?: boolean;
  readonly acknowledged?: { readonly temperature: number; readonly humidity: number };
  readonly command?: unknown;
  readonly raw?: string;
  readonly retain?: boolean;
}

interface SensorReading {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: { readonly temperature: number; readonly humidity: number };
  readonly timestamp: string;
  readonly receivedAt: string;
}

describeWith(['paho'], 'a device written with Python paho that knows nothing of Signalbox', () => {
  describe.each([0, 1])('at QoS %i', (qos) => {
    let app: TestApp;
    let device: ChildProcess;
    let said: Said[];

    beforeEach(async () => {
      app = await createTestApp();
      said = [];
      const options = ['--port', String(app.mqttPort), '--qos', String(qos), '--interval', '0.2'];
      device = spawn(services.paho!, ['test/support/paho/device.py', ...options], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      createInterface({ input: device.stdout! }).on('line', (line) => said.push(JSON.parse(line) as Said));
      await eventually('the device is subscribed', () => said.some(({ ready }) => ready));
    });

    afterEach(async () => {
      await endChild(device, 'SIGKILL');
      await app.close();
    });

    async function sensors(): Promise<readonly SensorReading[]> {
      const { status, body } = await get<readonly SensorReading[]>(`${app.httpUrl}/sensors?limit=100`);
      expect(status).toBe(200);
      return body;
    }

    it('shows its readings in GET /sensors as it sent them, in its order', async () => {
      const sent = await eventually('the device saw acknowledgements', () => {
        const acknowledged = said.flatMap((one) => one.acknowledged ?? []);
        return acknowledged.length >= 5 && acknowledged;
      });
      const readings = await eventually('they are stored', async () => {
        const all = await sensors();
        return all.length >= sent.length && all;
      });
      expect(readings.slice(0, sent.length).map(({ payload }) => payload)).toEqual(sent);
      for (const reading of readings) {
        expect(reading).toMatchObject({ deviceId: 'device', topic: 'poc/device/sensor' });
        expect(Math.abs(Date.parse(reading.timestamp) - Date.now())).toBeLessThan(60_000);
      }
    });

    it('gets POST /control {"command": "TURN_ON_FAN"} as exactly that', async () => {
      await eventually('a reading is stored', async () => (await sensors()).length > 0);
      const { status, body } = await post(`${app.httpUrl}/control`, { command: 'TURN_ON_FAN' });
      expect(status).toBe(202);
      expect(body).toMatchObject({ command: 'TURN_ON_FAN', deviceId: 'device', type: 'TURN_ON_FAN' });
      const got = await eventually('the command arrives', () => said.find(({ command }) => command !== undefined));
      expect(JSON.parse(got.raw!)).toEqual({ command: 'TURN_ON_FAN' });
      expect(got.retain).toBe(false);
    });
  });
});
