import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IConnectPacket } from 'mqtt-packet';
import { SCOPES } from '../../src/common/access.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { publishPacket, RawClient } from './support/raw-client.js';
import { makeKey, registerDevice, type Rows, rowsOf, type ServiceLogin } from './support/registered.js';

/** `{id}` is the client's own id. */
const OWN_UP = [
  'devices/{id}/up/telemetry',
  'devices/{id}/up/telemetry/temperature',
  'devices/{id}/up/status',
  'devices/{id}/up/commands/get',
];
const FOREIGN_UP = ['poc/{id}/sensor', 'meter/{id}'];
const LOGGED = ['demo/x', '/flask/y/z'];
const REQUESTS: Readonly<Record<string, string>> = {
  'services/control/send': 'commands:send',
  'services/control/get': 'commands:read',
  'services/sensor/latest': 'telemetry:read',
  'services/sensor/history': 'telemetry:read',
  'services/sensor/record': 'telemetry:write',
};
/** Nobody but an admin publishes here. */
const CLOSED = [
  'devices/{id}/down/commands/1',
  'devices/{id}/down/acks',
  'devices/victim/up/telemetry',
  'devices/victim/up/status',
  'devices/victim/down/commands/1',
  'devices/{id}x/up/telemetry',
  'poc/victim/sensor',
  'poc/{id}/control',
  'services/control/send/reply',
  'services/other',
  'other/topic',
  'Devices/{id}/up/telemetry',
];
const TOPICS = [...OWN_UP, ...FOREIGN_UP, ...LOGGED, ...Object.keys(REQUESTS), ...CLOSED];

const OWN_DOWN = ['devices/{id}/down/#', 'devices/{id}/down/commands/+', 'devices/{id}/down/+/+/cancel'];
const FOREIGN_DOWN = ['poc/{id}/control'];
const LOG_FILTERS = ['demo/#', 'demo/+', 'demo/x', '/flask/#'];
const REPLIES = Object.keys(REQUESTS).map((topic) => `${topic}/reply`);
const CLOSED_FILTERS = [
  '#',
  '+/+',
  '+/+/+/#',
  'devices/#',
  'devices/+/down/#',
  'devices/{id}/#',
  'devices/{id}/+/commands/+',
  'devices/{id}/up/#',
  'devices/victim/down/#',
  'devices/victim/down/commands/+',
  'poc/+/control',
  'poc/{id}/sensor',
  'services/#',
  'services/+/+/reply',
  'services/control/send',
  '+/x',
];
const FILTERS = [...OWN_DOWN, ...FOREIGN_DOWN, ...LOG_FILTERS, ...REPLIES, ...CLOSED_FILTERS];
/** Nobody gets these. */
const FORBIDDEN = ['$SYS/#', '$share/g/demo/#', '$CONTROL/x'];

describe('Where clients log in', () => {
  let box: RequiredApp;
  let rows: Rows;
  let admin: RawClient;
  let clients = 0;
  beforeAll(async () => {
    box = await startRequired({
      DEVICE_TOPICS: 'poc/{deviceId}/sensor => poc/{deviceId}/control; meter/{deviceId}',
    });
    rows = rowsOf(box.database);
    admin = await service(await makeKey(rows, ['admin']));
    await admin.subscribe(1, '#');
  });
  afterAll(async () => {
    admin.end();
    await box.close();
  });

  const counter = (name: string): number => box.app.get(MqttLink).counters[name] ?? 0;

  async function service(login: ServiceLogin, options: Partial<IConnectPacket> = {}): Promise<RawClient> {
    return open(`service-${++clients}`, login.username, login.password, options);
  }

  async function open(
    id: string,
    username: string,
    password: string,
    options: Partial<IConnectPacket> = {},
  ): Promise<RawClient> {
    const login = { username, password: Buffer.from(password), ...options };
    return RawClient.connect(box.mqttPort, id, login);
  }

  /** A new device, connected. Each is closed for what it may not do, and must not be locked for that. */
  async function device(options: (id: string) => Partial<IConnectPacket> = () => ({})): Promise<[string, RawClient]> {
    const id = `device-${++clients}`;
    const { username, password } = await registerDevice(rows, id);
    return [id, await open(id, username, password, options(id))];
  }

  /** True where the publish was acknowledged, false where its client was closed for it. */
  async function publishes(client: RawClient, topic: string): Promise<boolean> {
    const refused = counter('refused.topic');
    client.send(publishPacket(topic, '{"by": "the matrix"}', 1, 9));
    await eventually('PUBACK or close', () => client.ended || client.of('puback').length > 0);
    const accepted = client.of('puback').length > 0;
    expect([topic, counter('refused.topic') - refused]).toEqual([topic, accepted ? 0 : 1]);
    client.end();
    return accepted;
  }

  async function publishable(connect: () => Promise<readonly [string, RawClient]>): Promise<string[]> {
    const accepted: string[] = [];
    for (const template of TOPICS) {
      const [id, client] = await connect();
      const topic = template.replace('{id}', id);
      const seen = admin.of('publish').length;
      if (!(await publishes(client, topic))) {
        await admin.ping();
        const leaked = admin.of('publish').slice(seen);
        expect(leaked.filter((one) => one.topic === topic)).toEqual([]);
        continue;
      }
      accepted.push(template);
      await eventually(`${topic} is passed on`, () =>
        admin
          .of('publish')
          .slice(seen)
          .some((one) => one.topic === topic),
      );
    }
    return accepted;
  }

  /** The filters that are granted, asked for by one client after another, 8 at a time. */
  async function subscribable(connect: () => Promise<readonly [string, RawClient]>): Promise<string[]> {
    const granted: string[] = [];
    for (let i = 0; i < FILTERS.length; i += 8) {
      const [id, client] = await connect();
      const some = FILTERS.slice(i, i + 8);
      const codes = await client.subscribe(1, ...some.map((filter) => filter.replace('{id}', id)));
      granted.push(...some.filter((_, at) => codes[at] === 1));
      expect(codes.every((code) => code === 1 || code === 0x80)).toBe(true);
      expect(await client.subscribe(2, ...FORBIDDEN)).toEqual([0x80, 0x80, 0x80]);
      client.end();
    }
    return granted;
  }

  /** The topics on which a will is let in. */
  async function willable(connect: (topic: string) => Promise<RawClient>): Promise<string[]> {
    const accepted: string[] = [];
    for (const template of TOPICS) {
      const client = await connect(template);
      const code = await client.connackCode();
      expect([0, 5]).toContain(code);
      if (code === 0) accepted.push(template);
      client.send({ cmd: 'disconnect' });
      await client.closed();
    }
    return accepted;
  }

  const willOn = (topic: string): Partial<IConnectPacket> => ({
    will: { topic, payload: Buffer.from('{}'), qos: 1, retain: false },
  });

  it('nobody comes in without a login', async () => {
    const anonymous = await RawClient.connect(box.mqttPort, 'anonymous');
    expect(await anonymous.connackCode()).toBe(5);
    await anonymous.closed();
  });

  it('a device publishes below its own up/ and on the foreign topics that name it, and nowhere else', async () => {
    expect(await publishable(() => device())).toEqual([...OWN_UP, ...FOREIGN_UP]);
  }, 60_000);

  it('a device subscribes below its own down/ and to the foreign topic of its commands, and to nothing else', async () => {
    expect(await subscribable(() => device())).toEqual([...OWN_DOWN, ...FOREIGN_DOWN]);
  });

  it('a device leaves its will on its own up/status, and nowhere else', async () => {
    const connect = async (template: string): Promise<RawClient> => {
      const [, client] = await device((id) => willOn(template.replace('{id}', id))).catch(() => [null, null]);
      return client!;
    };
    expect(await willable(connect)).toEqual(['devices/{id}/up/status']);
  }, 60_000);

  it.each(SCOPES.filter((scope) => scope !== 'admin'))(
    'a service with %s publishes and subscribes to what that is for, and leaves its will there',
    async (scope) => {
      const key = await makeKey(rows, [scope]);
      const requests = Object.keys(REQUESTS).filter((topic) => REQUESTS[topic] === scope);
      const topics = [...(scope === 'mqtt:publish' ? LOGGED : []), ...requests];
      const connect = async (): Promise<[string, RawClient]> => {
        const client = await service(key);
        return [`service-${clients}`, client];
      };
      expect(await publishable(connect)).toEqual(topics);
      const replies = requests.map((topic) => `${topic}/reply`);
      expect(await subscribable(connect)).toEqual([...(scope === 'messages:read' ? LOG_FILTERS : []), ...replies]);
      expect(await willable((topic) => service(key, willOn(topic.replace('{id}', 'x'))))).toEqual(topics);
    },
    60_000,
  );

  it('a service that may send commands of one type makes that request', async () => {
    const key = await makeKey(rows, ['commands:send:FAN']);
    const client = await service(key);
    expect(await client.subscribe(1, 'services/control/send/reply', 'services/control/get/reply')).toEqual([1, 0x80]);
    expect(await publishes(client, 'services/control/send')).toBe(true);
    expect(await publishes(await service(key), 'services/control/get')).toBe(false);
  });

  it('an admin does everything that anybody may in open mode', async () => {
    const key = await makeKey(rows, ['admin']);
    const connect = async (): Promise<[string, RawClient]> => [`service-${clients + 1}`, await service(key)];
    expect(await publishable(connect)).toEqual(TOPICS);
    expect(await subscribable(connect)).toEqual(FILTERS);
    expect(await willable((topic) => service(key, willOn(topic.replace('{id}', 'x'))))).toEqual(TOPICS);
    expect(await publishes(await service(key), '$SYS/x')).toBe(false);
  }, 60_000);

  it('stores nothing of a publish that is refused, with any QoS and also where it is to be retained', async () => {
    const key = await makeKey(rows, ['telemetry:read']);
    for (const qos of [0, 1, 2] as const) {
      const client = await service(key);
      const id = qos === 0 ? undefined : 1;
      client.send(publishPacket('devices/spared/up/telemetry', '{"temperature": 99}', qos, id, { retain: true }));
      await client.closed();
      expect([client.of('puback').length, client.of('pubrec').length]).toEqual([0, 0]);
    }
    const late = await service(await makeKey(rows, ['admin']));
    await late.subscribe(1, 'devices/spared/up/telemetry');
    await late.ping();
    expect(late.of('publish')).toEqual([]);
    late.end();
    const { body } = await box.admin.get<unknown[]>('/sensors?deviceId=spared');
    expect(body).toEqual([]);
  });
});
