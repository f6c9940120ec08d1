import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp } from '../support/app.js';
import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { describeWith, endChild } from '../support/services.js';
import { EXAMPLES } from './support/example-device.js';

const ID = 'greenhouse-1';

interface CommandBody {
  readonly id: string;
  readonly status: string;
  readonly outcome: string;
  readonly attempts: number;
  readonly progress: number | null;
  readonly result: unknown;
  readonly error: { readonly code: string | null } | null;
  readonly history: readonly { readonly status: string }[];
}

/** What the README files of the examples promise, for real: Signalbox, the device as a process, and a user with HTTP. */
describe.each(EXAMPLES)('Signalbox and $title', (example) => {
  describeWith(example.needs, 'together', () => {
    let app: TestApp;
    let device: ChildProcess | undefined;

    beforeEach(async () => {
      app = await createTestApp();
    });

    afterEach(async () => {
      if (device) await endChild(device, 'SIGKILL');
      await app.close();
    });

    function start(...options: readonly string[]): void {
      device = example.start(ID, app.mqttPort, '--interval', '0.2', ...options);
    }

    function send(command: object, waitSeconds = 0) {
      const prefer = waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : undefined;
      return post<CommandBody>(`${app.httpUrl}/v1/devices/${ID}/commands`, command, prefer);
    }

    async function read(id: string): Promise<CommandBody> {
      return (await get<CommandBody>(`${app.httpUrl}/v1/commands/${id}`)).body;
    }

    async function presence(): Promise<string> {
      return (await app.app.get(DeviceService).presenceOf(ID)).state;
    }

    async function lastFan(): Promise<unknown> {
      const { body } = await get<{ readonly payload: { readonly fan: boolean } }[]>(
        `${app.httpUrl}/sensors?limit=1&deviceId=${ID}`,
      );
      return body[0]?.payload.fan;
    }

    it('carries a command out that was given before the device was there, and says what came of it', async () => {
      const sending = send({ type: 'TURN_ON_FAN' }, 15);
      start();
      const { status, body } = await sending;
      expect(status).toBe(201);
      expect(body).toMatchObject({ status: 'SUCCEEDED', outcome: 'executed', result: { fan: true }, error: null });
      const seen = body.history.map((change) => change.status).filter((one) => one !== 'DELIVERED');
      expect(seen).toEqual(['PENDING', 'SENT', 'ACKED', 'SUCCEEDED']);
      await eventually('a reading shows it', async () => (await lastFan()) === true);
    });

    it('rejects an unknown type and params that are wrong, and says why', async () => {
      start();
      const unknown = await send({ type: 'MAKE_COFFEE' }, 15);
      expect(unknown.status).toBe(201);
      expect(unknown.body).toMatchObject({
        status: 'REJECTED',
        outcome: 'not_executed',
        error: { code: 'UNKNOWN_TYPE' },
      });
      const wrong = await send({ type: 'CALIBRATE', params: { steps: 0 } }, 15);
      expect(wrong.body).toMatchObject({ status: 'REJECTED', error: { code: 'BAD_PARAMS' } });
    });

    it('shows the progress of what takes long, and gives it up when it is cancelled', async () => {
      start();
      const { status, body } = await send({ type: 'CALIBRATE', params: { steps: 100, stepMs: 300 } });
      expect(status).toBe(202);
      await eventually('progress', async () => ((await read(body.id)).progress ?? 0) > 1);
      expect((await read(body.id)).status).toBe('ACKED');
      expect((await post(`${app.httpUrl}/v1/commands/${body.id}/cancel`, {})).status).toBe(202);
      const cancelled = await eventually('it is cancelled', async () => {
        const command = await read(body.id);
        return command.status === 'CANCELLED' && command;
      });
      expect(cancelled.outcome).toBe('not_executed');
      const next = await send({ type: 'CALIBRATE', params: { steps: 2, stepMs: 50 } }, 15);
      expect(next.body).toMatchObject({ status: 'SUCCEEDED', progress: 100, result: { offset: expect.any(Number) } });
    });

    it('lets a command for an absent device expire, and never sends it', async () => {
      start();
      expect((await send({ type: 'PING' }, 15)).body.status).toBe('SUCCEEDED');
      await endChild(device!, 'SIGTERM');
      await eventually('it is offline', async () => (await presence()) === 'offline');
      const { status, body } = await send({ type: 'TURN_ON_FAN', ttlMs: 1_000 }, 10);
      expect(status).toBe(201);
      expect(body).toMatchObject({ status: 'EXPIRED', outcome: 'not_executed', attempts: 0 });
      start();
      expect((await send({ type: 'PING' }, 15)).body.status).toBe('SUCCEEDED');
      expect(await read(body.id)).toEqual(body);
    });

    it('keeps commands for a device that sleeps until it comes by', async () => {
      start('--sleepy', '2');
      await eventually('it has been here and sleeps', async () => (await presence()) === 'offline');
      const commands = await Promise.all([
        send({ type: 'CALIBRATE', params: { steps: 3, stepMs: 30 } }),
        send({ type: 'TURN_ON_FAN' }),
      ]);
      const done = await eventually('both are done', async () => {
        const now = await Promise.all(commands.map(({ body }) => read(body.id)));
        return now.every(({ status }) => status === 'SUCCEEDED') && now;
      });
      expect(done[1]!.result).toEqual({ fan: true });
      await eventually('it reports and sleeps again', async () => (await lastFan()) === true);
      await eventually('it sleeps', async () => (await presence()) === 'offline');
    });
  });
});
