import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { devicePrincipal } from '../../src/common/access.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { attempt, login } from './support/login-attempt.js';
import { connectPacket, gate, publishPacket, RawClient } from './support/raw-client.js';
import { admitted, keyOf, TestAccess } from './support/test-access.js';

describe('A login that is being judged', () => {
  let access: TestAccess;
  let box: Box;
  beforeEach(async () => {
    access = new TestAccess();
    box = await startBox({ access });
  });
  afterEach(async () => {
    await box.close();
  });

  it('is answered with CONNACK 3 where that cannot be done', async () => {
    access.judge = async () => {
      throw new Error('the database is away');
    };
    expect((await attempt(box.port, 'd1', login('d1', 'good')))[0]).toBe(3);
    expect(box.counter('refused.login')).toBe(1);
  });

  it('is given up after 10 s, with CONNACK 3', async () => {
    access.judge = () => new Promise(() => {});
    const client = await RawClient.open(box.port);
    const start = performance.now();
    client.send(connectPacket('d1', login('d1', 'good')));
    expect((await client.next('connack', 1, 15_000)).returnCode).toBe(3);
    expect(performance.now() - start).toBeGreaterThan(9_900);
    await client.closed();
    await eventually('nobody is left', () => box.link.clients === 0);
  });

  it('leaves nothing behind where its client goes meanwhile', async () => {
    const waits = gate();
    access.judge = async ({ clientId }) => {
      await waits.promise;
      return admitted(devicePrincipal(clientId));
    };
    const gone = await RawClient.open(box.port);
    const will = { topic: 'devices/d1/up/status', payload: Buffer.from('{}'), qos: 1, retain: true } as const;
    gone.send(connectPacket('d1', login('d1', 'good', { will })), publishPacket('devices/d1/up/telemetry', '{}', 1, 1));
    await eventually('it is judged', () => access.logins.length === 1);
    gone.socket.resetAndDestroy();
    await gone.closed();
    waits.open();
    const next = await RawClient.connect(box.port, 'd1', login('d1', 'good'));
    await next.ping();
    expect([box.link.clients, box.recorder.messages.length]).toEqual([1, 0]);
    next.end();
    await eventually('nobody is left', () => box.link.clients === 0);
    expect(box.store.kept.size).toBe(0);
  });

  it('of a service waits for no other device, however many change meanwhile, and is refused where its id becomes that of one', async () => {
    access.judge = async ({ clientId }) => {
      access.claim(clientId === 'late' ? 'late' : 'somebody');
      return admitted(keyOf('k1', 'messages:read'));
    };
    const asked: string[] = [];
    access.isDevice = async (id) => {
      asked.push(id);
      access.claim('somebody-else');
      return true;
    };
    const service = await RawClient.connect(box.port, 'service', login('k1', 'key'));
    expect((await attempt(box.port, 'late', login('k1', 'key')))[0]).toBe(5);
    expect(asked).toEqual(['late']);
    await service.ping();
    service.end();
  });

  it('is told what the client says of itself', async () => {
    await attempt(box.port, 'd1', { username: 'somebody', password: Buffer.from([1, 255]) }, '127.0.3.1');
    await attempt(box.port, 'd2', {});
    expect(access.logins.map(({ password, ...rest }) => [rest, password && [...password]])).toEqual([
      [{ clientId: 'd1', username: 'somebody', address: '127.0.3.1', certificateName: null }, [1, 255]],
      [{ clientId: 'd2', username: null, address: '127.0.0.1', certificateName: null }, null],
    ]);
  });

  it('leaves a line in the log that says who it was, without user name and password', async () => {
    const [name, secret] = ['hunter2-as-a-name', 'hunter2-as-a-password'];
    await attempt(box.port, 'd1', login(name, secret));
    const line = box.warnings.find(({ reason }) => reason === 'refused.login')!;
    expect(line).toMatchObject({ client: 'd1', address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(JSON.stringify(box.warnings)).not.toContain('hunter2');
  });

  it('gives a session to its principal only: what another left under the same client id is gone', async () => {
    const filter = 'demo/x';
    const connect = async (key: string): Promise<RawClient> => {
      access.judge = async () => admitted(keyOf(key, 'messages:read', 'mqtt:publish'));
      return RawClient.connect(box.port, 'shared', { clean: false });
    };
    const first = await connect('key-1');
    expect(await first.subscribe(1, filter)).toEqual([1]);
    first.send(publishPacket('demo/x', 'half open', 2, 7));
    await first.next('pubrec');
    first.send({ cmd: 'disconnect' });
    await first.closed();
    await box.publisher.publish({ topic: filter, payload: 'for key-1', qos: 1 });

    const second = await connect('key-2');
    expect(await second.next('connack')).toMatchObject({ sessionPresent: false });
    await box.publisher.publish({ topic: filter, payload: 'not for key-2', qos: 1 });
    // The same packet id is a message of its own.
    second.send(publishPacket('demo/x', 'of key-2', 2, 7));
    await second.next('pubrec');
    await second.ping();
    expect(second.of('publish')).toEqual([]);
    expect(box.recorder.payloads).toContain('of key-2');
    second.send({ cmd: 'disconnect' });
    await second.closed();

    const third = await connect('key-1');
    expect(await third.next('connack')).toMatchObject({ sessionPresent: false });
    third.end();
  });

  it('judges the filters and messages of a stored session again', async () => {
    const connect = async (...scopes: readonly string[]): Promise<RawClient> => {
      access.judge = async () => admitted(keyOf('key', ...scopes));
      return RawClient.connect(box.port, 'stored', { clean: false });
    };
    const before = await connect('messages:read', 'telemetry:read');
    expect(await before.subscribe(1, 'demo/#', 'services/sensor/latest/reply')).toEqual([1, 1]);
    before.send({ cmd: 'disconnect' });
    await before.closed();
    await box.publisher.publish({ topic: 'demo/x', payload: 'kept', qos: 1 });
    await box.publisher.publish({ topic: 'services/sensor/latest/reply', payload: 'kept too', qos: 1 });

    const after = await connect('telemetry:read');
    expect(await after.next('connack')).toMatchObject({ sessionPresent: true });
    await box.publisher.publish({ topic: 'demo/x', payload: 'new', qos: 1 });
    await after.next('publish');
    await after.ping();
    expect(after.of('publish').map(({ payload }) => payload.toString())).toEqual(['kept too']);
    after.send({ cmd: 'disconnect' });
    await after.closed();
    await box.publisher.publish({ topic: 'demo/x', payload: 'while away', qos: 1 });

    // The filter does not come back with the scope.
    const again = await connect('messages:read', 'telemetry:read');
    await again.ping();
    expect(again.of('publish').map(({ payload }) => payload.toString())).not.toContain('while away');
    again.end();
  });
});
