import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { connectAsync } from 'mqtt';
import type { MqttClient } from 'mqtt';
import { startWire } from '../mqtt/support/wire.js';
import type { Wire } from '../mqtt/support/wire.js';
import { eventually } from '../support/eventually.js';
import { describeWith, endChild, startMosquitto } from '../support/services.js';
import type { Mosquitto } from '../support/services.js';
import type { Example } from './support/example-device.js';

const ID = 'dev-1';

/** What firmware people may rely on in an example that they copy from: the contract's rules for devices, seen from the broker. */
export function describeDeviceRules(example: Example): void {
  describeWith(['mosquitto', ...example.needs], `${example.title} beside a broker`, () => {
    let broker: Mosquitto;
    let wire: Wire;
    let service: MqttClient;
    let device: ChildProcess;
    let heard: { readonly topic: string; readonly body: Record<string, unknown> }[];

    beforeEach(async () => {
      broker = await startMosquitto();
      wire = await startWire(broker.port);
      heard = [];
      service = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
      service.on('message', (topic, payload) =>
        heard.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> }),
      );
      await service.subscribeAsync('devices/+/up/#', { qos: 1 });
    });

    afterEach(async () => {
      await endChild(device, 'SIGKILL');
      await service.endAsync(true);
      await wire.stop();
      await broker.stop();
    });

    async function start(...options: readonly string[]): Promise<void> {
      device = example.start(ID, wire.port, '--interval', '0.2', ...options);
      await eventually('the device is online', () => on('status').length > 0);
    }

    function on(topic: string): Record<string, unknown>[] {
      return heard.filter((one) => one.topic === `devices/${ID}/up/${topic}`).map(({ body }) => body);
    }

    /** The answers to a command in short: `accepted`, `progress 20`, `rejected EXPIRED`. */
    function answers(id: string): string[] {
      return on(`commands/${id}`).map(({ status, progress, code }) =>
        [status, progress, code].filter((part) => part !== undefined).join(' '),
      );
    }

    async function publish(topic: string, body: string | object): Promise<void> {
      const payload = typeof body === 'string' ? body : JSON.stringify(body);
      await service.publishAsync(`devices/${ID}/down/${topic}`, payload, { qos: 1 });
    }

    async function send(id: string, type: string, params: object = {}, ttlMs = 60_000): Promise<void> {
      await publish(`commands/${id}`, { id, type, params, attempt: 1, expiresAt: '', ttlMs });
    }

    /** A calibration that goes on until the test cancels it. */
    async function startCalibration(id: string): Promise<void> {
      await send(id, 'CALIBRATE', { steps: 100, stepMs: 500 });
      await eventually(`${id} reports progress`, () => answers(id).includes('progress 1'));
    }

    async function done(id: string): Promise<string[]> {
      return await eventually(`${id} is finished`, () => {
        const said = answers(id);
        return /succeeded|failed|rejected|cancelled/.test(said.at(-1) ?? '') && said;
      });
    }

    async function fan(): Promise<unknown> {
      const { length } = on('telemetry');
      const reading = await eventually('a new reading', () => on('telemetry')[length + 1]);
      return (reading['values'] as { readonly fan: boolean }).fan;
    }

    it('says online, retained, only after its subscriptions are granted, and has left its will', async () => {
      await start();
      const [connect] = wire.of('connect');
      expect(connect).toMatchObject({ clientId: ID, will: { topic: `devices/${ID}/up/status`, qos: 1, retain: true } });
      const said = wire.seen.flatMap(({ packet }) => {
        if (packet.cmd === 'subscribe') return packet.subscriptions.map(({ topic, qos }) => `${qos} ${topic}`);
        if (packet.cmd === 'suback') return ['granted'];
        return packet.cmd === 'publish' && packet.topic.endsWith('/up/status') && packet.retain ? ['online'] : [];
      });
      expect(said.slice(-2)).toEqual(['granted', 'online']);
      for (const topic of ['commands/+', 'commands/+/cancel', 'errors']) {
        expect(said).toContain(`1 devices/${ID}/down/${topic}`);
      }
      expect(on('status')).toEqual([{ online: true, session: expect.any(String) }]);
    });

    it('publishes readings with a time and an id of their own', async () => {
      await start();
      const readings = await eventually('readings', () => on('telemetry').length > 2 && on('telemetry'));
      for (const reading of readings) {
        expect(reading).toMatchObject({
          values: { temperature: expect.any(Number), humidity: expect.any(Number), fan: false },
        });
        expect(Math.abs(Number(reading['ts']) - Date.now())).toBeLessThan(60_000);
      }
      expect(new Set(readings.map(({ id }) => id)).size).toBe(readings.length);
    });

    it('accepts a command, carries it out and says what came of it, with QoS 1 and not retained', async () => {
      await start();
      await send('c1', 'TURN_ON_FAN');
      await done('c1');
      expect(on('commands/c1')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: { fan: true } }]);
      expect(await fan()).toBe(true);
      await send('c2', 'PING');
      await done('c2');
      expect(on('commands/c2')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: {} }]);
      const sent = wire.of('publish', ID).filter(({ topic }) => topic.includes('/up/commands/'));
      expect(sent).toHaveLength(4);
      for (const packet of sent) expect(packet).toMatchObject({ qos: 1, retain: false });
    });

    it('reports the progress of a long one, and what is asked meanwhile waits', async () => {
      await start();
      await send('long', 'CALIBRATE', { steps: 4, stepMs: 50 });
      await send('next', 'PING');
      await done('next');
      expect(answers('long')).toEqual([
        'accepted',
        'progress 25',
        'progress 50',
        'progress 75',
        'progress 100',
        'succeeded',
      ]);
      expect(on('commands/long').at(-1)).toEqual({ status: 'succeeded', result: { offset: expect.any(Number) } });
      const order = heard
        .filter(({ topic }) => topic.includes('/commands/'))
        .map(({ topic }) => topic.split('/').at(-1));
      expect(order.indexOf('next')).toBeGreaterThan(order.lastIndexOf('long'));
    });

    it('answers a repeat with the stored answer and does nothing twice', async () => {
      await start();
      await send('on', 'TURN_ON_FAN');
      await send('off', 'TURN_OFF_FAN');
      await done('off');
      await send('on', 'TURN_ON_FAN');
      await eventually('the stored answer', () => answers('on').length === 3);
      expect(on('commands/on')[2]).toEqual({ status: 'succeeded', result: { fan: true } });
      expect(await fan()).toBe(false);
      expect(answers('on')).toHaveLength(3);
    });

    it('answers a repeat of what runs with how far it is, and does not begin again', async () => {
      await start();
      await startCalibration('c1');
      const before = answers('c1');
      await send('c1', 'CALIBRATE', { steps: 100, stepMs: 500 });
      await eventually('the repeat is answered', () => answers('c1').length > before.length);
      expect(answers('c1')[before.length]).toBe(before.at(-1));
      await publish('commands/c1/cancel', {});
      expect((await done('c1')).filter((answer) => answer === 'accepted')).toHaveLength(1);
    });

    it('carries out one of two copies that arrive in one piece', async () => {
      await start();
      device.kill('SIGSTOP');
      await send('c1', 'CALIBRATE', { steps: 2, stepMs: 20 });
      await send('c1', 'CALIBRATE', { steps: 2, stepMs: 20 });
      await send('c2', 'PING');
      device.kill('SIGCONT');
      await done('c2');
      expect(answers('c1').filter((answer) => answer === 'progress 50')).toHaveLength(1);
      expect(new Set(answers('c1'))).toEqual(new Set(['accepted', 'progress 50', 'progress 100', 'succeeded']));
    });

    it('gives up what waits when it is cancelled, and never begins it', async () => {
      await start();
      await startCalibration('first');
      await send('waits', 'TURN_ON_FAN');
      await publish('commands/waits/cancel', {});
      expect(await done('waits')).toEqual(['cancelled']);
      await publish('commands/first/cancel', {});
      await done('first');
      expect(await fan()).toBe(false);
      await send('waits', 'TURN_ON_FAN');
      await eventually('the stored answer', () => answers('waits').length === 2);
      expect(answers('waits')).toEqual(['cancelled', 'cancelled']);
    });

    it('gives up what runs when it is cancelled, and goes on with the next', async () => {
      await start();
      await startCalibration('c1');
      await publish('commands/c1/cancel', {});
      const said = await done('c1');
      expect(said.at(-1)).toBe('cancelled');
      expect(said).not.toContain('progress 100');
      await send('c2', 'PING');
      expect(await done('c2')).toEqual(['accepted', 'succeeded']);
    });

    it('answers a cancel after the end with the stored answer, and one for an unknown command not at all', async () => {
      await start();
      await send('c1', 'PING');
      await done('c1');
      await publish('commands/never-seen/cancel', {});
      await publish('commands/c1/cancel', {});
      await eventually('the stored answer', () => answers('c1').length === 3);
      expect(answers('c1')).toEqual(['accepted', 'succeeded', 'succeeded']);
      expect(answers('never-seen')).toEqual([]);
    });

    it('rejects as EXPIRED what it does not get round to within its ttl, counted from receipt', async () => {
      await start();
      await send('long', 'CALIBRATE', { steps: 2, stepMs: 300 });
      await send('late', 'TURN_ON_FAN', {}, 200);
      await send('in-time', 'PING', {}, 30_000);
      await send('never', 'PING', {}, 0);
      expect(await done('late')).toEqual(['rejected EXPIRED']);
      expect(await done('in-time')).toEqual(['accepted', 'succeeded']);
      expect(await done('never')).toEqual(['rejected EXPIRED']);
      expect(await fan()).toBe(false);
    });

    it('rejects unknown types, bad params and what is no command, and lives on', async () => {
      await start();
      const wrong: readonly (readonly [string, string | object, string])[] = [
        ['coffee', { type: 'MAKE_COFFEE', params: {}, ttlMs: 60_000 }, 'UNKNOWN_TYPE'],
        ['proto', { type: '__proto__', params: {}, ttlMs: 60_000 }, 'UNKNOWN_TYPE'],
        ['steps', { type: 'CALIBRATE', params: { steps: 'many' }, ttlMs: 60_000 }, 'BAD_PARAMS'],
        ['truth', { type: 'CALIBRATE', params: { steps: true }, ttlMs: 60_000 }, 'BAD_PARAMS'],
        ['empty', '', 'BAD_COMMAND'],
        ['text', 'TURN_ON_FAN', 'BAD_COMMAND'],
        ['null', 'null', 'BAD_COMMAND'],
        ['array', '[{"type":"PING"}]', 'BAD_COMMAND'],
        ['no-type', '{"params":{}}', 'BAD_COMMAND'],
        ['type', '{"type":["PING"]}', 'BAD_COMMAND'],
        ['params', '{"type":"PING","params":[1]}', 'BAD_COMMAND'],
        ['ttl', '{"type":"PING","params":{},"ttlMs":"soon"}', 'BAD_COMMAND'],
        ['deep', '['.repeat(20_000), 'BAD_COMMAND'],
      ];
      for (const [id, body] of wrong) await publish(`commands/${id}`, body);
      for (const [id, , code] of wrong) expect([id, await done(id)]).toEqual([id, [`rejected ${code}`]]);
      await publish('errors', { code: 'TOO_OLD', detail: 'x', ref: null });
      await publish('acks', '[');
      await send('c1', 'PING', { anything: 'else' });
      expect(await done('c1')).toEqual(['accepted', 'succeeded']);
    });

    it('remembers the last 32 answers: a 33rd command pushes the first out', async () => {
      await start();
      for (let i = 0; i <= 32; i++) await send(`r${i}`, 'MAKE_COFFEE');
      await done('r32');
      await send('r1', 'PING');
      await send('r0', 'PING');
      await eventually('r0 is a new command', () => answers('r0').length === 3);
      expect(answers('r1')).toEqual(['rejected UNKNOWN_TYPE', 'rejected UNKNOWN_TYPE']);
      expect(answers('r0')).toEqual(['rejected UNKNOWN_TYPE', 'accepted', 'succeeded']);
    });

    it('rejects as BUSY what would be the 33rd to wait, and carries out the others', async () => {
      await start();
      await startCalibration('first');
      for (let i = 0; i <= 32; i++) await send(`w${i}`, 'PING');
      expect(await done('w32')).toEqual(['rejected BUSY']);
      await publish('commands/first/cancel', {});
      for (let i = 0; i < 32; i++) expect(await done(`w${i}`)).toEqual(['accepted', 'succeeded']);
    });

    it('says after a cut connection what it had to say meanwhile, and subscribes before it says online again', async () => {
      await start();
      await send('c1', 'CALIBRATE', { steps: 4, stepMs: 100 });
      await eventually('it runs', () => answers('c1').length > 0);
      wire.cut(ID);
      await eventually('it is back', () => on('status').length >= 3);
      expect(await done('c1')).toContain('succeeded');
      expect(new Set(answers('c1'))).toEqual(
        new Set(['accepted', 'progress 25', 'progress 50', 'progress 75', 'progress 100', 'succeeded']),
      );
      const second = wire.seen.filter(({ connection, from }) => connection === 2 && from === 'client');
      const kinds = second.map(({ packet }) =>
        packet.cmd === 'publish' ? packet.topic.split('/up/')[1]! : packet.cmd,
      );
      expect(kinds.indexOf('status')).toBeGreaterThan(kinds.indexOf('subscribe'));
      await send('c2', 'PING');
      expect(await done('c2')).toEqual(['accepted', 'succeeded']);
    });

    it('goes on after the broker was away', async () => {
      await start();
      await broker.kill();
      broker = await startMosquitto({ port: broker.port });
      await service.endAsync(true);
      heard = [];
      service = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
      service.on('message', (topic, payload) =>
        heard.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> }),
      );
      await service.subscribeAsync('devices/+/up/#', { qos: 1 });
      await eventually('it is back with its readings', () => on('status').length > 0 && on('telemetry').length > 2);
      await send('c1', 'PING');
      expect(await done('c1')).toEqual(['accepted', 'succeeded']);
    });

    it('says offline when it is stopped, whatever runs, and ends with 0', async () => {
      await start();
      await startCalibration('c1');
      const ended = endChild(device, 'SIGTERM');
      expect((await done('c1')).at(-1)).toBe('failed ERROR');
      await eventually('offline', () => on('status').length === 2);
      await ended;
      expect(device.exitCode).toBe(0);
      const [online, offline] = on('status');
      expect(offline).toEqual({ online: false, session: online!['session'] });
    });

    it('leaves its will when it is killed', async () => {
      await start();
      await endChild(device, 'SIGKILL');
      const will = await eventually('the will', () => on('status')[1]);
      expect(will).toEqual({ online: false, session: on('status')[0]!['session'] });
    });

    it('asks for what is pending on a short visit, works it off, reports and sleeps', async () => {
      service.on('message', (topic) => {
        if (topic !== `devices/${ID}/up/commands/get`) return;
        if (on('commands/get').length > 1) return void publish('acks', { commands: 0 });
        // The announcement has QoS 0 and may overtake the commands.
        void publish('acks', { commands: 2 });
        void send('p1', 'CALIBRATE', { steps: 2, stepMs: 20 });
        void send('p2', 'PING');
      });
      await start('--sleepy', '0.5');
      const status = await eventually('two visits', () => {
        const said = on('status').map(({ online }) => online);
        return said.length >= 4 && said;
      });
      expect(status.slice(0, 4)).toEqual([true, false, true, false]);
      expect(on('commands/get')[0]).toEqual({ max: 32 });
      expect(answers('p1')).toEqual(['accepted', 'progress 50', 'progress 100', 'succeeded']);
      expect(answers('p2')).toEqual(['accepted', 'succeeded']);
      const visit = wire.seen.filter(({ connection, from }) => connection === 1 && from === 'client');
      const kinds = visit.map(({ packet }) => (packet.cmd === 'publish' ? packet.topic.split('/up/')[1]! : packet.cmd));
      expect(kinds.filter((kind) => kind !== 'puback' && !kind.startsWith('commands/p'))).toEqual([
        'connect',
        'subscribe',
        'status',
        'commands/get',
        'telemetry',
        'status',
        'disconnect',
      ]);
      expect(kinds.indexOf('telemetry')).toBeGreaterThan(kinds.lastIndexOf('commands/p2'));
    });

    it('remembers its answers over its sleep, and stays awake no longer for a service that says nothing', async () => {
      await start('--sleepy', '0.3');
      await send('c1', 'TURN_ON_FAN');
      await done('c1');
      await publish('acks', { commands: 1 });
      await eventually('the second visit', () => on('status').length === 3);
      await send('c1', 'TURN_ON_FAN');
      await eventually('the stored answer', () => answers('c1').length === 3);
      expect(answers('c1')).toEqual(['accepted', 'succeeded', 'succeeded']);
      await eventually('it gives up', () => on('status').length >= 4, 15_000);
    });
  });
}
