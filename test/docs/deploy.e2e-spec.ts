import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { CONFIG_CLASSES } from '../../src/config/load-config.js';
import { settingsOf } from '../../src/config/setting.decorator.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { describeWith, FOR_REPLICAS, type Mosquitto, services, startMosquitto } from '../support/services.js';

const CONF = 'deploy/mosquitto/signalbox.conf';
const ACL = 'deploy/mosquitto/signalbox.acl';
const UNIT = 'deploy/systemd/signalbox@.service';
const ENVIRONMENT = 'deploy/systemd/signalbox.env';

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Names and values of `NAME=value` lines, of `Environment=` ones in a unit. */
function variablesIn(path: string): [string, string][] {
  return linesOf(path)
    .map((line) => line.replace(/^Environment=/, ''))
    .flatMap((line) => (/^[A-Z][A-Z_]+=/.test(line) ? [line.split('=', 2) as [string, string]] : []));
}

describe('deploy/systemd', () => {
  const settings = CONFIG_CLASSES.flatMap((type) => settingsOf(type));

  it.each([UNIT, ENVIRONMENT])('%s sets only variables that exist', (path) => {
    const known = settings.flatMap(({ variable, fileVariable }) => [variable, fileVariable]);
    const names = variablesIn(path).map(([name]) => name);
    expect(names).not.toHaveLength(0);
    for (const name of names) expect(known).toContain(name);
  });

  it('starts the program with the flags of npm start', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
    const exec = linesOf(UNIT).find((line) => line.startsWith('ExecStart='));
    expect(exec).toBe(`ExecStart=${scripts.start.replace('exec node', '/usr/bin/node')}`);
  });

  it('keeps every secret out of the environment', () => {
    const secrets = settings.filter(({ fileVariable }) => fileVariable !== null).map(({ variable }) => variable);
    const names = [UNIT, ENVIRONMENT].flatMap(variablesIn).map(([name]) => name);
    for (const secret of secrets) expect(names).not.toContain(secret);
  });
});

describe('deploy/mosquitto', () => {
  it('has the lines with which the tests of replicas and the benchmarks run Mosquitto', () => {
    expect(linesOf(CONF)).toEqual(expect.arrayContaining(FOR_REPLICAS.split('\n')));
    const bench = readFileSync('bench/target/mosquitto.mjs', 'utf8').split('export function handingOn')[1]!;
    for (const line of ['persistence true', 'max_inflight_messages 1000', 'max_queued_messages 0']) {
      expect(linesOf(CONF)).toContain(line);
      expect(bench).toContain(`'${line}'`);
    }
  });
});

describeWith(['mosquitto'], 'Mosquitto with deploy/mosquitto', () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-deploy-'));
  const logins = { signalbox: 'secret-0', 'device-1': 'secret-1', 'device-2': 'secret-2' };
  const open: MqttClient[] = [];
  let broker: Mosquitto;

  beforeAll(async () => {
    const passwords = join(directory, 'passwords');
    const plain = Object.entries(logins).map(([name, password]) => `${name}:${password}\n`);
    writeFileSync(passwords, plain.join(''));
    // It lies beside the broker in Debian, which keeps that in /usr/sbin.
    const bin = dirname(services.mosquitto!).replace(/sbin$/, 'bin');
    expect(spawnSync(join(bin, 'mosquitto_passwd'), ['-U', passwords]).status).toBe(0);
    const config = linesOf(CONF)
      .filter((line) => !line.startsWith('listener '))
      .map((line) => line.replace('/etc/mosquitto/signalbox.passwd', passwords))
      .map((line) => line.replace('/etc/mosquitto/signalbox.acl', join(process.cwd(), ACL)));
    broker = await startMosquitto({ config: [...config, `persistence_location ${directory}/`].join('\n') });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.endAsync(true)));
  });
  afterAll(async () => {
    await broker.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function login(username: keyof typeof logins, clientId: string = username): Promise<MqttClient> {
    const client = await connectMqtt(broker.url, { clientId, username, password: logins[username] });
    open.push(client);
    return client;
  }

  it('lets nobody in without a login', async () => {
    await expect(connectMqtt(broker.url)).rejects.toThrow('Not authorized');
    await expect(connectMqtt(broker.url, { username: 'device-1', password: 'secret-2' })).rejects.toThrow(
      'Not authorized',
    );
  });

  it('hands a device only its own commands, and what it publishes to Signalbox', async () => {
    const signalbox = await login('signalbox', 'signalbox-seat-1');
    const read = await listenTo(signalbox, '$share/signalbox/devices/+/up/#');
    const device = await login('device-1');
    const heard = await listenTo(device, 'devices/#');

    await signalbox.publishAsync('devices/device-2/down/commands/a', 'for another', { qos: 1 });
    await signalbox.publishAsync('devices/device-1/down/commands/b', 'for it', { qos: 1 });
    await device.publishAsync('devices/device-1/up/telemetry', '{"t":1}', { qos: 1 });

    await read.next('the reading');
    await heard.next('the command');
    expect(read.received).toEqual([{ topic: 'devices/device-1/up/telemetry', payload: '{"t":1}' }]);
    expect(heard.received).toEqual([{ topic: 'devices/device-1/down/commands/b', payload: 'for it' }]);
  });

  it('keeps devices from publishing for others, and from sending commands', async () => {
    const signalbox = await login('signalbox', 'signalbox-seat-1');
    const read = await listenTo(signalbox, '$share/signalbox/devices/+/up/#');
    const victim = await listenTo(await login('device-2'), 'devices/device-2/down/#');
    // Mosquitto acknowledges what it denies, and may close the connection then.
    for (const topic of ['devices/device-2/up/telemetry', 'devices/device-2/down/commands/c']) {
      const forger = await login('device-1');
      await forger.publishAsync(topic, 'forged', { qos: 1 });
    }
    const device = await login('device-1');
    await device.publishAsync('devices/device-1/up/telemetry', '{"own":1}', { qos: 1 });
    await signalbox.publishAsync('devices/device-2/down/commands/d', 'real', { qos: 1 });

    await read.next('its own reading');
    await victim.next('the real command');
    expect(read.received.map(({ payload }) => payload)).toEqual(['{"own":1}']);
    expect(victim.received.map(({ payload }) => payload)).toEqual(['real']);
  });

  it('lets Signalbox clear the status of a device, and publish nothing else in its place', async () => {
    const device = await login('device-1');
    const read = await listenTo(await login('signalbox', 'signalbox-status'), 'devices/+/up/#');
    await device.publishAsync('devices/device-1/up/status', '{"online":true}', { qos: 1, retain: true });
    await read.next('the status');
    const outbox = await login('signalbox', 'signalbox-outbox');
    await outbox.publishAsync('devices/device-1/up/telemetry', 'in its place', { qos: 1 });
    const clearing = await login('signalbox', 'signalbox-clearing');
    await clearing.publishAsync('devices/device-1/up/status', '', { qos: 1, retain: true });
    await read.next('it was cleared', ({ payload }) => payload === '');
    expect(read.received.map(({ payload }) => payload)).toEqual(['{"online":true}', '']);
  });

  it('lets Signalbox say that it is there', async () => {
    const status = await login('signalbox', 'signalbox-status');
    const heard = await listenTo(await login('signalbox', 'signalbox-probe'), 'services/signalbox/status');
    await status.publishAsync('services/signalbox/status', '{"online":true}', { qos: 1, retain: true });
    await heard.next('the birth');
    expect(heard.received[0]!.payload).toBe('{"online":true}');
  });
});
