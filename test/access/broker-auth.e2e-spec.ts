import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MqttServer } from '../../src/mqtt/mqtt.server.js';
import { mayPublish, maySubscribe, REQUEST_SCOPES } from '../../src/mqtt/topic-rights.js';
import { type BrokerAnswer, type BrokerBox, startBrokerBox } from './broker-box.js';

const DENIED = { status: 200, body: { result: 'deny' } };
const OURS = { MQTT_USERNAME: 'gateway', MQTT_PASSWORD: 'our-own-password', MQTT_CLIENT_ID: 'our-publisher' };

describe('A broker that asks who may connect', () => {
  let box: BrokerBox;
  let secret: string;

  beforeAll(async () => {
    box = await startBrokerBox(OURS);
    secret = await box.device('lamp');
  });
  afterAll(() => box.close());

  // Each login from an address of its own: failures of one address would lock the next out.
  let logins = 0;
  const address = (): string => `198.51.${Math.floor(++logins / 250)}.${logins % 250}`;
  const asDevice = (id: string, password: string, more: Record<string, unknown> = {}) => ({
    clientid: id,
    username: id,
    password,
    peerhost: address(),
    cert_common_name: '',
    ...more,
  });

  it('is told of a device with its credential, what it may do, and until when', async () => {
    const { status, body, headers } = await box.auth(asDevice('lamp', secret));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toEqual({
      result: 'allow',
      is_superuser: false,
      acl: [
        { permission: 'allow', action: 'publish', topic: 'devices/lamp/up/#' },
        { permission: 'allow', action: 'publish', topic: 'poc/lamp/sensor' },
        { permission: 'allow', action: 'subscribe', topic: 'devices/lamp/down/#' },
        { permission: 'allow', action: 'subscribe', topic: 'poc/lamp/control' },
        { permission: 'deny', action: 'all', topic: '#' },
      ],
      expire_at: expect.any(Number),
    });
    const hours = (body.expire_at! * 1_000 - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(17);
    expect(hours).toBeLessThanOrEqual(24);
  });

  it('is told to ask again when the credential ends, where that is sooner', async () => {
    const expires_at = Date.now() + 3_600_000;
    const ending = await box.device('ending');
    const end = box.database.sql.updateTable('credentials').set({ expires_at }).where('device_id', '=', 'ending');
    await box.write(end.compile());
    const { body } = await box.auth(asDevice('ending', ending));
    expect(body.expire_at).toBe(Math.floor(expires_at / 1_000));
  });

  it.each<[string, () => object | Promise<object>]>([
    ['a wrong secret', () => asDevice('lamp', `${secret.slice(0, -1)}_`)],
    ['no secret', () => asDevice('lamp', '')],
    ['an unknown device', () => asDevice('nobody', secret)],
    ['another client id', () => asDevice('lamp', secret, { clientid: 'lamp2' })],
    ['another user name', () => asDevice('lamp', secret, { username: 'lamp2' })],
    ['no user name', () => asDevice('lamp', secret, { username: '' })],
    ['no client id', () => asDevice('lamp', secret, { clientid: '' })],
    ['neither client id nor user name', () => asDevice('', secret)],
    ['no address', () => asDevice('lamp', secret, { peerhost: '' })],
    ['a field that is a number', () => asDevice('lamp', secret, { peerhost: 7 })],
    ['a field that is an object', () => asDevice('lamp', secret, { username: { lamp: 1 } })],
    ['the certificate of another device', () => asDevice('lamp', '', { cert_common_name: 'lamp2' })],
    ['its own certificate under another name', () => asDevice('lamp', '', { username: 'x', cert_common_name: 'lamp' })],
    ['a certificate of nobody', () => asDevice('stranger', '', { cert_common_name: 'stranger' })],
    ['a placeholder that was not filled in', () => asDevice('${c}', '', { cert_common_name: '${c}' })],
    ['a disabled device', async () => asDevice('off', await box.device('off', { enabled: 0 }))],
    ['a disabled device with a certificate', () => asDevice('off', '', { cert_common_name: 'off' })],
    ['a pending device', async () => asDevice('new', await box.device('new', { approved: 0 }))],
    ['our own name with another password', () => asDevice('gateway', 'our-own-passwore')],
    ['our own name without a password', () => asDevice('gateway', '')],
    ['a device called as our session', async () => asDevice('signalbox-seat-1', await box.device('signalbox-seat-1'))],
    ['a device called as our publisher', async () => asDevice('our-publisher', await box.device('our-publisher'))],
  ])('denies %s', async (_, body) => {
    expect(await box.auth(await body())).toMatchObject(DENIED);
  });

  it('is told of a device with a certificate that it has verified', async () => {
    for (const username of ['', 'lamp']) {
      const { body } = await box.auth(asDevice('lamp', '', { username, cert_common_name: 'lamp' }));
      expect(body).toMatchObject({ result: 'allow', is_superuser: false });
      expect(body.acl).toContainEqual({ permission: 'allow', action: 'publish', topic: 'devices/lamp/up/#' });
    }
  });

  it('is told of a service with its key, under any client id that no device has', async () => {
    const key = await box.key(['telemetry:read', 'messages:read']);
    const asService = { clientid: 'backend-1', username: key.id, password: key.text, peerhost: address() };
    const { body } = await box.auth(asService);
    expect(body).toMatchObject({
      result: 'allow',
      acl: [
        { permission: 'allow', action: 'publish', topic: 'services/sensor/latest' },
        { permission: 'allow', action: 'publish', topic: 'services/sensor/history' },
        { permission: 'allow', action: 'subscribe', topic: 'services/sensor/latest/reply' },
        { permission: 'allow', action: 'subscribe', topic: 'services/sensor/history/reply' },
        { permission: 'allow', action: 'subscribe', topic: 'demo/#' },
        { permission: 'allow', action: 'subscribe', topic: '/flask/#' },
        { permission: 'deny', action: 'all', topic: '#' },
      ],
    });
    const wrongs = [
      { clientid: 'lamp' },
      { clientid: 'signalbox-status' },
      { username: 'backend-1' },
      { password: key.text.slice(0, -1) },
    ];
    for (const wrong of wrongs) expect(await box.auth({ ...asService, ...wrong })).toMatchObject(DENIED);
    const old = await box.key(['admin'], { expiresAt: Date.now() - 1_000 });
    expect(await box.auth({ ...asService, username: old.id, password: old.text })).toMatchObject(DENIED);
  });

  it('is told of ourselves, who may use every topic but those of the broker', async () => {
    const { body } = await box.auth({
      clientid: 'signalbox-seat-1',
      username: 'gateway',
      password: 'our-own-password',
    });
    expect(body).toEqual({
      result: 'allow',
      is_superuser: false,
      acl: [{ permission: 'allow', action: 'all', topic: '#' }],
    });
  });

  it('lets no key with limits make requests, because nobody knows who makes one at a broker elsewhere', async () => {
    const publishOf = async (scopes: readonly string[], tags?: Record<string, string>) => {
      const key = await box.key(scopes, tags ? { tags } : {});
      const { body } = await box.auth({
        clientid: 'backend',
        username: key.id,
        password: key.text,
        peerhost: address(),
      });
      return body
        .acl!.filter((rule) => rule.permission === 'allow' && rule.action === 'publish')
        .map((rule) => rule.topic);
    };
    expect(await publishOf(['commands:send'])).toEqual(['services/control/send']);
    expect(await publishOf(['commands:send:turn'])).toEqual([]);
    expect(await publishOf(['commands:send', 'telemetry:write'], { site: 'north' })).toEqual([]);
    expect(await publishOf(['admin'], { site: 'north' })).toEqual(['demo/#', '/flask/#']);
  });

  describe('gets the same verdict on every topic from the list with the login and from a question of its own', () => {
    const list = (text: string): string[] => text.trim().split(/\s+/);
    const up = list('devices/lamp/up/telemetry devices/lamp/up/status devices/lamp/up/commands/1');
    const topics = [
      ...up,
      ...list('devices/lamp/down/commands/1 devices/lamp/other devices/lamp devices/lamp2/up/telemetry'),
      ...list('poc/lamp/sensor poc/lamp/control poc/lamp2/sensor demo/x other/x'),
      ...list('services/control/send services/control/get services/sensor/latest services/sensor/history'),
      ...list('services/sensor/record services/control/send/reply services/signalbox/status'),
    ];
    const filters = [
      ...topics,
      ...list('# +/+/down/# devices/# devices/+/down/# devices/lamp/down/# devices/lamp/down/commands/+'),
      ...list('services/# services/+/+/reply demo/# demo/+ poc/+/control'),
    ];

    const allowedBy = (acl: BrokerAnswer['acl'], action: string, topic: string): boolean => {
      const rules = acl!.filter((rule) => rule.permission === 'allow' && [action, 'all'].includes(rule.action));
      const rights = rules.map((rule) => rule.topic);
      return action === 'publish' ? mayPublish(rights, topic) : maySubscribe(rights, topic);
    };

    const compare = async (facts: Record<string, unknown>): Promise<string[]> => {
      const { acl } = (await box.auth(facts)).body;
      const asked = [
        ...topics.map((topic) => ['publish', topic] as const),
        ...filters.map((filter) => ['subscribe', filter] as const),
      ];
      const allowed: string[] = [];
      for (const [action, topic] of asked) {
        const { body } = await box.acl({ ...facts, password: '', action, topic });
        const expected = allowedBy(acl, action, topic) ? 'allow' : 'deny';
        expect([action, topic, body.result]).toEqual([action, topic, expected]);
        if (body.result === 'allow') allowed.push(`${action} ${topic}`);
      }
      return allowed;
    };

    it('for a device', async () => {
      expect(await compare(asDevice('lamp', secret))).toEqual([
        ...up.map((topic) => `publish ${topic}`),
        'publish poc/lamp/sensor',
        'subscribe devices/lamp/down/commands/1',
        'subscribe poc/lamp/control',
        'subscribe devices/lamp/down/#',
        'subscribe devices/lamp/down/commands/+',
      ]);
    });

    it.each<[string, number]>([
      ['telemetry:read', 2],
      ['telemetry:write', 1],
      ['commands:read', 1],
      ['commands:send', 2],
      ['mqtt:publish', 1],
      ['messages:read', 3],
      ['stream:read', 0],
      ['admin', 10],
    ])('for a key with %s', async (scope, count) => {
      const key = await box.key([scope]);
      const allowed = await compare({ clientid: 'backend', username: key.id, password: key.text, peerhost: address() });
      const forbidden = /devices\/|poc\/|services\/(#|\+|signalbox)/;
      expect(allowed.filter((one) => forbidden.test(one))).toEqual([]);
      expect([scope, allowed.length]).toEqual([scope, count]);
    });

    it('for ourselves', async () => {
      const us = { clientid: 'signalbox-status', username: 'gateway', password: 'our-own-password' };
      expect(await compare(us)).toHaveLength(topics.length + filters.length);
    });
  });

  it.each<[string, object]>([
    ['nobody', { username: '', clientid: 'lamp2' }],
    ['a device that does not exist', { username: 'lamp2', clientid: 'lamp2' }],
    ['a device under another client id', { clientid: 'lamp2' }],
    ['a disabled device', { username: 'off', clientid: 'off' }],
    ['called as our session', { username: 'signalbox-seat-1', clientid: 'signalbox-seat-1' }],
    ['an unknown key', { username: 'AAAAAAAAAAAAAAAA', clientid: 'backend' }],
    ['doing what is no action', { action: 'all' }],
    ['doing nothing', { action: undefined }],
    ['without a topic', { topic: '' }],
    ['at a wildcard', { topic: 'devices/lamp/up/#' }],
    ['at a topic with a NUL', { topic: 'devices/lamp/up/\u0000' }],
    ['at a topic of the broker', { username: 'gateway', topic: '$SYS/x' }],
    ['at a shared subscription', { action: 'subscribe', topic: '$share/g/devices/lamp/down/#' }],
  ])('denies what is done by a client that is %s', async (_, more) => {
    const usual = { clientid: 'lamp', username: 'lamp', peerhost: '192.0.2.7', action: 'publish' };
    expect(await box.acl({ ...usual, topic: 'devices/lamp/up/telemetry', ...more })).toMatchObject(DENIED);
  });

  it('is told of a device that came with a certificate by that certificate', async () => {
    const asked = { clientid: 'lamp', username: '', cert_common_name: 'lamp', action: 'publish' };
    const topic = 'devices/lamp/up/x';
    expect((await box.acl({ ...asked, topic })).body.result).toBe('allow');
    expect((await box.acl({ ...asked, topic, cert_common_name: '' })).body.result).toBe('deny');
  });

  it('is told nothing of a device for a while whose secret somebody guesses, at that address alone', async () => {
    const guessed = await box.device('guessed');
    const from = (peerhost: string, password: string) => box.auth(asDevice('guessed', password, { peerhost }));
    for (let n = 0; n < 5; n++) expect(await from('203.0.113.9', 'wrong')).toMatchObject(DENIED);
    expect(await from('203.0.113.9', guessed)).toMatchObject(DENIED);
    expect((await from('203.0.113.10', guessed)).body.result).toBe('allow');
  });

  it('lets us in however often somebody guessed our password', async () => {
    const us = { clientid: 'signalbox-seat-1', username: 'gateway', peerhost: '203.0.113.11' };
    for (let n = 0; n < 6; n++) expect(await box.auth({ ...us, password: 'wrong' })).toMatchObject(DENIED);
    expect((await box.auth({ ...us, password: 'our-own-password' })).body.result).toBe('allow');
  });

  it('knows the scope of every request that is answered', () => {
    const patterns = [...box.app.get(MqttServer).getHandlers().keys()].filter((one) => one.startsWith('services/'));
    expect(patterns.toSorted()).toEqual(Object.keys(REQUEST_SCOPES).toSorted());
  });

  it('asks what docs/operations.md lets EMQX ask', async () => {
    const [, hocon = ''] = /```hocon\n([^]+?)```/.exec(readFileSync('docs/operations.md', 'utf8')) ?? [];
    const values: Record<string, string> = { ...(asDevice('lamp', secret) as Record<string, string>) };
    Object.assign(values, { action: 'publish', topic: 'devices/lamp/up/telemetry' });
    const fieldsOf = (body: string) => [...body.matchAll(/(\w+) = "\$\{(\w+)\}"/g)];
    const [login, action] = [...hocon.matchAll(/body \{([^]+?)\n\s*\}/g)].map(([, body]) =>
      Object.fromEntries(fieldsOf(body!).map(([, name, from]) => [name, values[from!]])),
    );
    const urls = [...hocon.matchAll(/url = "http:\/\/127.0.0.1:3000(\/\S+)"/g)].map(([, path]) => path);
    expect(urls).toEqual(['/internal/mqtt/auth', '/internal/mqtt/acl']);
    expect(Object.keys(login ?? {})).toEqual(['clientid', 'username', 'password', 'peerhost', 'cert_common_name']);
    expect((await box.auth(login)).body.result).toBe('allow');
    expect((await box.acl(action)).body.result).toBe('allow');
    expect((await box.acl({ ...action, topic: 'devices/other/up/x' })).body.result).toBe('deny');
  });

  it('hears of a device that was disabled with the next question', async () => {
    const password = await box.device('soon-off');
    const asked = { clientid: 'soon-off', username: 'soon-off', action: 'publish', topic: 'devices/soon-off/up/x' };
    expect((await box.acl(asked)).body.result).toBe('allow');
    const disable = box.database.sql.updateTable('devices').set({ enabled: 0 }).where('id', '=', 'soon-off');
    await box.write(disable.compile());
    expect(await box.acl(asked)).toMatchObject(DENIED);
    expect(await box.auth(asDevice('soon-off', password))).toMatchObject(DENIED);
  });
});
