import { describe, expect } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { together } from '../support/together.js';
import { commandIn, MqttTap } from './support/mqtt-tap.js';
import { ObedientDevice } from './support/obedient-device.js';
import { order } from './support/orders.js';
import { type CommandBody, expectTruth, untilFinal, Witness } from './support/truth.js';

const TTL_MS = 5_000;

/** A process of Signalbox with a directory of its own, and a tap before its broker. */
class Box {
  service!: Service;
  readonly witness: Witness;

  constructor(
    readonly path: string,
    readonly tap: MqttTap,
  ) {
    this.witness = new Witness(tap);
  }

  async start(): Promise<void> {
    this.service = await startService(this.path);
    this.tap.target = this.service.mqttPort;
  }

  async kill(): Promise<void> {
    this.tap.target = null;
    await this.service.stop('SIGKILL');
  }

  async is(id: string, status: string): Promise<void> {
    await eventually(
      `it is ${status}`,
      async () => (await get<CommandBody>(`${this.service.httpUrl}/v1/commands/${id}`)).body.status === status,
    );
  }
}

function inOwnBox(test: (box: Box) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    const box = new Box(directory.path, await MqttTap.start());
    try {
      await box.start();
      await test(box);
    } finally {
      await box.service?.stop('SIGKILL');
      await box.tap.stop();
      directory.remove();
    }
  };
}

describe('Commands of a process that was killed', () => {
  together(120_000, {
    'have ended when it runs again and their time is over, and nothing is sent any more': inOwnBox(async (box) => {
      const devices = (['starts', 'silent'] as const).map(
        (habit) => new ObedientDevice(box.tap.url, habit, habit, true),
      );
      await Promise.all(devices.map((device) => device.ready()));
      const asked = { ttlMs: TTL_MS, resultTimeoutMs: 2_000, maxAttempts: 10 };
      const given = await Promise.all(
        ['starts', 'silent', 'away'].map(async (id) => (await order(box.service.httpUrl, id, asked))!.id),
      );
      await Promise.all([box.is(given[0]!, 'ACKED'), box.is(given[1]!, 'DELIVERED')]);
      await box.kill();
      const over = Date.now() + TTL_MS;
      await eventually('their time is over', () => Date.now() > over);
      await box.start();
      const ends = await Promise.all(given.map((id) => untilFinal(box.service.httpUrl, id)));
      expect(ends).toMatchObject([
        { status: 'TIMED_OUT', outcome: 'unknown', attempts: 1 },
        { status: 'EXPIRED', outcome: 'unknown', attempts: 1, error: { code: 'NO_ANSWER' } },
        { status: 'EXPIRED', outcome: 'not_executed', attempts: 0, error: null },
      ]);
      await Promise.all(devices.map((device) => device.end()));
      expect(given.map((id) => box.witness.of(id).length)).toEqual([1, 1, 0]);
    }),

    'that wait for their device are sent once it is back, also if it comes only after the start': inOwnBox(
      async (box) => {
        const { id } = (await order(box.service.httpUrl, 'sleeper', { ttlMs: 30_000 }))!;
        await box.kill();
        await box.start();
        const device = new ObedientDevice(box.tap.url, 'sleeper', 'succeeds', true);
        const end = await untilFinal(box.service.httpUrl, id);
        expect(end).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
        expectTruth(end, 3, box.witness.of(id), device.deeds.get(id));
        await device.end();
      },
    ),

    'are not sent after their end, also where the attempt was committed only then': inOwnBox(async (box) => {
      const { id } = (await order(box.service.httpUrl, 'slow', { ttlMs: 4_000 }))!;
      const { body } = await get<CommandBody>(`${box.service.httpUrl}/v1/commands/${id}`);
      const holder = spawn(process.execPath, [
        resolve('test/storage/hold-lock.mjs'),
        join(box.path, 'data/signalbox.db'),
      ]);
      await once(holder.stdout, 'data');
      const device = new ObedientDevice(box.tap.url, 'slow', 'succeeds', true);
      await device.ready();
      await eventually('it is over', () => Date.now() > Date.parse(body.expiresAt));
      holder.stdin.end();
      await once(holder, 'exit');
      const end = await untilFinal(box.service.httpUrl, id);
      expect([end.status, box.witness.of(id)]).toEqual(['EXPIRED', []]);
      // It was begun, and nobody can say for sure that it never left.
      expect([end.attempts, end.outcome]).toEqual([1, 'unknown']);
      await device.end();
    }),

    'go to a device that never answers maxAttempts times at most, however often the process dies of it': inOwnBox(
      async (box) => {
        const [maxAttempts, ttlMs] = [2, 12_000];
        const device = new ObedientDevice(box.tap.url, 'rebooting', 'silent', true);
        await device.ready();
        const end = box.tap.onPacket(({ packet }) => {
          if (commandIn(packet)) box.service.child.kill('SIGKILL');
        });
        // The answer to the create may be lost with the process.
        void order(box.service.httpUrl, device.id, { ttlMs, maxAttempts });
        for (let deaths = 0; deaths < maxAttempts; deaths++) {
          await eventually('it has died of a publish', () => box.service.child.signalCode);
          await box.kill();
          await box.start();
        }
        end();
        const [id] = box.witness.publishes.keys();
        const last = await untilFinal(box.service.httpUrl, id!);
        expect(last).toMatchObject({ status: 'EXPIRED', outcome: 'unknown', attempts: maxAttempts });
        expect(last.history.map(({ status }) => status)).not.toContain('DELIVERED');
        expect(box.witness.of(id!).map(({ attempt }) => attempt)).toEqual([1, 2]);
        await device.end();
      },
    ),
  });
});
