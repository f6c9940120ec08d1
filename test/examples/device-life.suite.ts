import { expect } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith, endChild } from '../support/services.js';
import { together } from '../support/together.js';
import type { Example } from './support/example-device.js';
import { ID, Stage } from './support/stage.js';

const CALIBRATED = ['accepted', 'progress 25', 'progress 50', 'progress 75', 'progress 100', 'succeeded'];

/** Presence, readings, lost connections and sleep of an example device, as a broker sees them. */
export function describeDeviceLife(example: Example): void {
  describeWith(['mosquitto', ...example.needs], `the life of ${example.title}`, () => {
    const onStage = (test: (stage: Stage) => Promise<void>) => async (): Promise<void> => {
      const stage = await Stage.open(example);
      try {
        await test(stage);
      } finally {
        await stage.close();
      }
    };

    together(60_000, {
      'says online, retained, only after its subscriptions are granted, and has left its will': onStage(
        async (stage) => {
          await stage.start();
          const [connect] = stage.wire.of('connect');
          expect(connect).toMatchObject({
            clientId: ID,
            will: { topic: `devices/${ID}/up/status`, qos: 1, retain: true },
          });
          const said = stage.wire.seen.flatMap(({ packet }) => {
            if (packet.cmd === 'subscribe') return packet.subscriptions.map(({ topic, qos }) => `${qos} ${topic}`);
            if (packet.cmd === 'suback') return ['granted'];
            return packet.cmd === 'publish' && packet.topic.endsWith('/up/status') && packet.retain ? ['online'] : [];
          });
          expect(said.slice(-2)).toEqual(['granted', 'online']);
          for (const topic of ['commands/+', 'commands/+/cancel', 'errors']) {
            expect(said).toContain(`1 devices/${ID}/down/${topic}`);
          }
          expect(stage.on('status')).toEqual([{ online: true, session: expect.any(String) }]);
        },
      ),

      'publishes readings with a time and an id of their own': onStage(async (stage) => {
        await stage.start();
        const readings = await eventually('readings', () => stage.on('telemetry').length > 2 && stage.on('telemetry'));
        for (const reading of readings) {
          expect(reading).toMatchObject({
            values: { temperature: expect.any(Number), humidity: expect.any(Number), fan: false },
          });
          expect(Math.abs(Number(reading['ts']) - Date.now())).toBeLessThan(60_000);
        }
        expect(new Set(readings.map(({ id }) => id)).size).toBe(readings.length);
      }),

      'says after a cut connection what it had to say meanwhile, and subscribes before it says online again': onStage(
        async (stage) => {
          await stage.start();
          await stage.send('c1', 'CALIBRATE', { steps: 4, stepMs: 100 });
          await eventually('it runs', () => stage.answers('c1').length > 0);
          stage.wire.cut(ID);
          await eventually('it is back', () => stage.on('status').length >= 3);
          expect(await stage.done('c1')).toContain('succeeded');
          expect(new Set(stage.answers('c1'))).toEqual(new Set(CALIBRATED));
          const sent = stage.sentOn(2);
          expect(sent.indexOf('status')).toBeGreaterThan(sent.indexOf('subscribe'));
          await stage.send('c2', 'PING');
          expect(await stage.done('c2')).toEqual(['accepted', 'succeeded']);
        },
      ),

      'subscribes before it says online also where it never learnt that its first word was heard': onStage(
        async (stage) => {
          const lost = stage.network.loseAnswerTo('true');
          await stage.start();
          await lost;
          await eventually('it is back', () => stage.sentOn(2).includes('status'));
          const sent = stage.sentOn(2);
          expect(sent.indexOf('status')).toBeGreaterThan(sent.indexOf('subscribe'));
        },
      ),

      'goes on after the broker was away': onStage(async (stage) => {
        await stage.start();
        await stage.replaceBroker();
        await eventually('it is back', () => stage.on('status').length > 0 && stage.on('telemetry').length > 2);
        await stage.send('c1', 'PING');
        expect(await stage.done('c1')).toEqual(['accepted', 'succeeded']);
      }),

      'says offline when it is stopped, whatever runs, and ends with 0': onStage(async (stage) => {
        await stage.start();
        await stage.startCalibration('c1');
        const ended = endChild(stage.device, 'SIGTERM');
        expect((await stage.done('c1')).at(-1)).toBe('failed ERROR');
        await eventually('offline', () => stage.on('status').length === 2);
        await ended;
        expect(stage.device.exitCode).toBe(0);
        const [online, offline] = stage.on('status');
        expect(offline).toEqual({ online: false, session: online!['session'] });
        const sent = stage.sentOn(1).filter((one) => one !== 'puback');
        expect(sent.slice(-2)).toEqual(['status', 'disconnect']);
        expect(sent.lastIndexOf('commands/c1')).toBeLessThan(sent.lastIndexOf('status'));
      }),

      'leaves its will when it is killed': onStage(async (stage) => {
        await stage.start();
        await endChild(stage.device, 'SIGKILL');
        const will = await eventually('the will', () => stage.on('status')[1]);
        expect(will).toEqual({ online: false, session: stage.on('status')[0]!['session'] });
      }),

      'asks for what is pending on a short visit, works it off, reports and sleeps': onStage(async (stage) => {
        stage.onMessage((topic) => {
          const isFirst = stage.on('commands/get').length === 1;
          // The announcement has QoS 0 and may overtake the commands.
          if (topic === 'commands/get') void stage.publish('acks', { commands: isFirst ? 2 : 0 });
          if (topic === 'commands/get' && isFirst) void stage.send('p1', 'CALIBRATE', { steps: 4, stepMs: 20 });
          if (topic === 'commands/p1' && stage.answers('p1').at(-1) === 'succeeded') void stage.send('p2', 'PING');
        });
        await stage.start('--sleepy', '0.5');
        await eventually('two visits', () => stage.on('status').length >= 4);
        expect(stage.on('status').map(({ online }) => online)).toEqual([true, false, true, false]);
        expect(stage.on('commands/get')[0]).toEqual({ max: 32 });
        expect(stage.answers('p1')).toEqual(CALIBRATED);
        expect(stage.answers('p2')).toEqual(['accepted', 'succeeded']);
        const visit = stage.sentOn(1);
        const answers = visit.filter((sent) => sent.startsWith('commands/p'));
        expect(visit.filter((sent) => sent !== 'puback')).toEqual([
          'connect',
          'subscribe',
          'status',
          'commands/get',
          ...answers,
          'telemetry',
          'status',
          'disconnect',
        ]);
      }),

      'remembers its answers over its sleep, and stays awake no longer for a service that says nothing': onStage(
        async (stage) => {
          await stage.start('--sleepy', '0.3');
          await stage.send('c1', 'TURN_ON_FAN');
          await stage.done('c1');
          await stage.publish('acks', { commands: 1 });
          await eventually('the second visit', () => stage.on('status').length === 3);
          await stage.send('c1', 'TURN_ON_FAN');
          await eventually('the stored answer', () => stage.answers('c1').length === 3);
          expect(stage.answers('c1')).toEqual(['accepted', 'succeeded', 'succeeded']);
          await eventually('it gives up', () => stage.on('status').length >= 4, 15_000);
        },
      ),
    });
  });
}
