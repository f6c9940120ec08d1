import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { listenTo } from '../support/mqtt.js';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { type DynsecBox, startDynsecBox } from './dynsec-box.js';
import { DynsecBroker, GATEWAY } from './dynsec-broker.js';

describeWith(['mosquitto'], 'A Mosquitto whose accounts Signalbox keeps', () => {
  let broker: DynsecBroker;
  let box: DynsecBox;

  beforeAll(async () => {
    broker = await DynsecBroker.start();
    box = await startDynsecBox(broker);
  });
  afterAll(async () => {
    await box.close();
    await broker.stop();
  });

  const isThrownOut = (isOut: () => boolean) => eventually('the device is thrown out', isOut, 5_000);

  it('lets a device in as soon as it is registered, under its own id alone', async () => {
    const { secret } = await box.registry.create('lamp');
    expect((await broker.login('lamp', secret)).isIn).toBe(true);
    for (const [id, password, options] of [
      ['lamp', `${secret}x`, {}],
      ['lamp', '', {}],
      ['lamp', secret, { clientId: 'lamp-2' }],
      ['lamp', secret, { username: 'lamp-2' }],
      ['never-registered', secret, {}],
    ] as const) {
      expect([id, options, (await broker.login(id, password, options)).isIn]).toEqual([id, options, false]);
    }
    expect((await broker.login('anonymous', '', { username: undefined, password: undefined })).isIn).toBe(false);
  });

  it('lets it use its own topics and no other', async () => {
    const { secret } = await box.registry.create('valve');
    await box.registry.create('other');
    const { client } = await broker.login('valve', secret, { protocolVersion: 5 });
    const publish = (topic: string) =>
      client.publishAsync(topic, '{"a":1}', { qos: 1 }).then(
        () => true,
        () => false,
      );
    for (const topic of ['devices/valve/up/telemetry', 'devices/valve/up/status', 'poc/valve/sensor']) {
      expect([topic, await publish(topic)]).toEqual([topic, true]);
    }
    for (const topic of [
      'devices/other/up/telemetry',
      'devices/valve/down/commands/1',
      'devices/valve/x',
      'poc/other/sensor',
      'demo/x',
      'services/control/send',
      '$CONTROL/dynamic-security/v1',
    ]) {
      expect([topic, await publish(topic)]).toEqual([topic, false]);
    }
    const subscribe = (filter: string) =>
      client.subscribeAsync(filter, { qos: 1 }).then(
        () => true,
        () => false,
      );
    for (const filter of ['devices/valve/down/#', 'devices/valve/down/commands/+', 'poc/valve/control']) {
      expect([filter, await subscribe(filter)]).toEqual([filter, true]);
    }
    for (const filter of [
      '#',
      'devices/#',
      'devices/+/down/#',
      'devices/other/down/#',
      'devices/valve/up/#',
      '$share/signalbox/devices/+/up/#',
      '$CONTROL/dynamic-security/v1/response',
    ]) {
      expect([filter, await subscribe(filter)]).toEqual([filter, false]);
    }
  });

  it('stores what it publishes, and brings it its commands', async () => {
    const { secret } = await box.registry.create('pump');
    const { client } = await broker.login('pump', secret);
    const { next } = await listenTo(client, 'devices/pump/down/#');
    await client.publishAsync('devices/pump/up/telemetry', '{"pressure":3}', { qos: 1 });
    await eventually('the reading is stored', async () => {
      const { body } = await box.admin.get<{ readonly payload: object }[]>('/sensors?deviceId=pump');
      return body.length === 1;
    });
    expect((await box.admin.post('/v1/devices/pump/commands', { type: 'stop' })).status).toBe(202);
    expect((await next('the command')).topic).toMatch(/^devices\/pump\/down\/commands\//);
  });

  it('passes its will on from its own branch alone', async () => {
    const { secret } = await box.registry.create('fan');
    const watcher = await broker.login('watcher', GATEWAY.password, { username: GATEWAY.username });
    const { received, next } = await listenTo(watcher.client, 'devices/#');
    for (const topic of ['devices/other/up/status', 'devices/fan/down/x', 'devices/fan/up/status']) {
      const { client } = await broker.login('fan', secret, {
        will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false },
      });
      client.stream.destroy();
    }
    await next(
      'the will on its own status',
      ({ topic, payload }) => topic === 'devices/fan/up/status' && payload === 'gone',
    );
    expect(received.filter(({ payload }) => payload === 'gone').map(({ topic }) => topic)).toEqual([
      'devices/fan/up/status',
    ]);
  });

  it('throws a device out that is deleted, and forgets it', async () => {
    const { secret } = await box.registry.create('deleted');
    const { isOut } = await broker.login('deleted', secret);
    await box.registry.remove('deleted');
    await isThrownOut(isOut);
    expect((await broker.login('deleted', secret)).isIn).toBe(false);
    await eventually('its account and its role are gone', async () => {
      const rolename = 'signalbox:signalbox:deleted';
      const answers = await broker.ask({ command: 'getClient', username: 'deleted' }, { command: 'getRole', rolename });
      return answers.every(({ error }) => error?.endsWith('not found'));
    });
  });

  it('throws a device out that is disabled, and lets it in again once it is enabled', async () => {
    const { secret } = await box.registry.create('disabled');
    const { isOut } = await broker.login('disabled', secret);
    await box.registry.enable('disabled', false);
    await isThrownOut(isOut);
    expect((await broker.login('disabled', secret)).isIn).toBe(false);
    await box.registry.enable('disabled', true);
    await eventually('it is let in', async () => (await broker.login('disabled', secret)).isIn);
  });

  it('knows the newest credential alone: the one before ends at once', async () => {
    const first = await box.registry.create('rotated');
    const { isOut } = await broker.login('rotated', first.secret);
    const second = await box.registry.rotate('rotated');
    await isThrownOut(isOut);
    expect((await broker.login('rotated', first.secret)).isIn).toBe(false);
    expect((await broker.login('rotated', second.secret)).isIn).toBe(true);
    expect(await box.registry.logins()).toMatchObject({ kept: 'dynamic-security', overlap: false });
  });

  it('throws a device out whose credential is revoked, though an older one is valid; a new one helps', async () => {
    const first = await box.registry.create('revoked');
    const second = await box.registry.rotate('revoked');
    const { isOut } = await broker.login('revoked', second.secret);
    await box.registry.revoke('revoked', second.id);
    await isThrownOut(isOut);
    for (const { secret } of [first, second]) expect((await broker.login('revoked', secret)).isIn).toBe(false);
    await box.registry.needing(1);
    const third = await box.registry.rotate('revoked');
    expect((await broker.login('revoked', third.secret)).isIn).toBe(true);
    await box.registry.needing(0);
  });

  it('gives a credential to a disabled device, and keeps it out', async () => {
    await box.registry.create('resting');
    await box.registry.enable('resting', false);
    const { secret } = await box.registry.rotate('resting');
    expect((await broker.login('resting', secret)).isIn).toBe(false);
    await box.registry.enable('resting', true);
    await eventually('it is let in', async () => (await broker.login('resting', secret)).isIn);
  });

  it.each([GATEWAY.username, 'signalbox-seat-1', 'signalbox-status'])(
    'refuses a device that is called %s',
    async (id) => {
      const before = await broker.account(id);
      const { status, body } = await box.registry.tryCreate(id);
      expect([status, body.code]).toEqual([409, 'BROKER_ACCOUNT_TAKEN']);
      expect(await box.registry.has(id)).toBe(false);
      expect(await broker.account(id)).toEqual(before);
    },
  );

  it('takes many devices at once', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    const lines = ids.map((id) => JSON.stringify({ id })).join('\n');
    const answer = await fetch(`${box.httpUrl}/v1/devices/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${box.adminKey}`, 'content-type': 'application/x-ndjson' },
      body: lines,
    });
    const { devices } = (await answer.json()) as {
      readonly devices: readonly { readonly id: string; readonly credential: { readonly secret: string } }[];
    };
    expect(devices.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    for (const { id, credential } of devices) expect((await broker.login(id, credential.secret)).isIn).toBe(true);
  });
});
