import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { order } from '../control/support/orders.js';
import { TappedFleet } from '../control/support/tapped-fleet.js';
import { type CommandBody, expectTruth, untilFinal } from '../control/support/truth.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { connectMqtt } from '../support/mqtt.js';
import { describeWith } from '../support/services.js';

describeWith(['mosquitto', 'postgres'], 'a command on two replicas', () => {
  let tapped: TappedFleet;
  /** The replica that reads what devices say of commands: one does, so that it stays in order. */
  let reader: number;
  beforeAll(async () => {
    tapped = await TappedFleet.start((place, tap) => {
      tap.onPacket(({ packet }) => {
        if (packet.cmd !== 'subscribe') return;
        if (packet.subscriptions.some(({ topic }) => topic === 'devices/+/up/commands/+')) reader = place;
      });
      return {};
    });
    await tapped.fleet.balanced(2);
  }, 60_000);
  afterAll(() => tapped?.stop(), 60_000);

  const create = (place: number, deviceId: string, body: object = {}, headers: Record<string, string> = {}) =>
    post<CommandBody>(`${tapped.urlOf(place)}/v1/devices/${deviceId}/commands`, { type: 'turn', ...body }, headers);

  it('is told as final at once to whoever waits, at the one that reads the answer and at the other one', async () => {
    const device = await tapped.device('waited-for', 'succeeds');
    const waiters = new Set<string>();
    for (const [creator, waiter] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const created = create(creator, device.id, {}, creator === waiter ? { prefer: 'wait=20' } : {});
      const { status, body } = creator === waiter ? await created : await wait(waiter, (await created).body.id);
      expect([status, body.status, body.outcome]).toEqual([creator === waiter ? 201 : 200, 'SUCCEEDED', 'executed']);
      // Where news of the other replica did not come, the waiter would look by itself, every 5 s.
      expect(Date.now() - Date.parse(body.history.at(-1)!.at)).toBeLessThan(2_500);
      expectTruth(body, 3, tapped.witness.of(body.id), device.deeds.get(body.id));
      waiters.add(waiter === reader ? 'where it was read' : 'elsewhere');
    }
    expect(waiters.size).toBe(2);
  });

  it('is one command and one publish where 100 requests with one Idempotency-Key reach both of them at once', async () => {
    const device = await tapped.device('asked-often', 'succeeds');
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        create(n % 2, device.id, {}, { 'idempotency-key': 'once', prefer: 'wait=20' }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const ids = new Set(answers.map(({ body }) => body.id));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    expect(tapped.witness.of([...ids][0]!)).toHaveLength(1);
    expect([...device.deeds.keys()]).toEqual([...ids]);
    const list = await get<{ items: CommandBody[] }>(`${tapped.urlOf(1)}/v1/devices/${device.id}/commands`);
    expect(list.body.items).toMatchObject([{ status: 'SUCCEEDED', attempts: 1 }]);
  });

  it('that one created and the other cancelled is CANCELLED once the device says so, whichever of them reads that', async () => {
    const device = await connectMqtt(tapped.fleet.brokerUrl, { clientId: 'cancelling' });
    device.on('message', (topic) => {
      const [, , , , id, notice] = topic.split('/');
      if (notice === 'cancel')
        device.publish(`devices/cancelling/up/commands/${id}`, '{"status": "cancelled"}', { qos: 1 });
    });
    await device.subscribeAsync('devices/cancelling/down/commands/#', { qos: 1 });
    for (const creator of [reader, 1 - reader]) {
      const { body } = await create(creator, 'cancelling');
      await eventually('it is SENT', async () => (await read(1 - creator, body.id)).status === 'SENT');
      const waiting = wait(creator, body.id);
      const cancelled = await post<CommandBody>(`${tapped.urlOf(1 - creator)}/v1/commands/${body.id}/cancel`, {});
      expect([cancelled.status, cancelled.body.final]).toEqual([202, false]);
      expect((await waiting).body).toMatchObject({ status: 'CANCELLED', outcome: 'not_executed', attempts: 1 });
      expect(tapped.witness.of(body.id)).toHaveLength(1);
    }
    await device.endAsync();
  });

  it('whose replica died before it began to send it is sent by the other one within a few seconds', async () => {
    const device = await tapped.device('orphaned', 'succeeds');
    // Without its broker it stores commands, but cannot begin to send them.
    tapped.taps[0]!.target = null;
    tapped.taps[0]!.restore();
    await eventually('it has lost the broker', async () => (await get(`${tapped.urlOf(0)}/readyz`)).status === 503);
    const { status, body } = await create(0, device.id);
    expect([status, body.attempts]).toEqual([202, 0]);
    await tapped.kill(0);
    const end = await untilFinal(tapped.urlOf(1), body.id);
    expectTruth(end, 3, tapped.witness.of(body.id), device.deeds.get(body.id));
    const [sent] = tapped.witness.of(body.id);
    expect(sent).toMatchObject({ attempt: 1 });
    // 2 s of head start, and what a slow machine needs.
    expect(60_000 - sent!.ttlMs).toBeLessThan(8_000);
    await tapped.fleet.restart(0);
    await tapped.fleet.balanced(2);
  }, 90_000);

  it('that is under way when its replica is drained is sent once and gets its end', async () => {
    const device = await tapped.device('drained', 'succeeds');
    const orders: string[] = [];
    let stopped = false;
    const lane = async (): Promise<void> => {
      while (!stopped) {
        const given = await order(tapped.urlOf(0), device.id, { ttlMs: 30_000 });
        if (given) orders.push(given.id);
        else stopped = true;
      }
    };
    const lanes = Array.from({ length: 8 }, lane);
    await eventually('there is load', () => orders.length > 40);
    const { body: silent } = await create(0, 'nobody-there');
    const held = wait(0, silent.id);
    const before = orders.length;
    await eventually('there is more', () => orders.length > before + 40);
    const drained = tapped.fleet.replicas[0]!.stop('SIGTERM');
    // Who waits at the one that goes is told what is known, and may ask the other.
    const { status, body } = await held;
    expect([status, body.final]).toEqual([200, false]);
    expect(await drained).toBe(0);
    await Promise.all(lanes);
    const ends = await Promise.all(orders.map((id) => untilFinal(tapped.urlOf(1), id)));
    for (const command of ends) {
      const { id } = command;
      expect(command).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
      expectTruth(command, 3, tapped.witness.of(id), device.deeds.get(id));
    }
    await tapped.fleet.restart(0);
  }, 120_000);

  async function read(place: number, id: string): Promise<CommandBody> {
    return (await get<CommandBody>(`${tapped.urlOf(place)}/v1/commands/${id}`)).body;
  }

  function wait(place: number, id: string) {
    return get<CommandBody>(`${tapped.urlOf(place)}/v1/commands/${id}?wait=20`);
  }
});

describeWith(['mosquitto', 'postgres'], 'commands whose time runs out while no replica runs', () => {
  let tapped: TappedFleet;
  beforeAll(async () => {
    tapped = await TappedFleet.start();
    await tapped.fleet.balanced(2);
  }, 60_000);
  afterAll(() => tapped?.stop(), 60_000);

  it('have ended when one runs again, and nothing is sent any more', async () => {
    const starts = await tapped.device('starts', 'starts');
    const silent = await tapped.device('silent', 'silent');
    const away = await connectMqtt(tapped.fleet.brokerUrl, { clientId: 'away' });
    await away.publishAsync('devices/away/up/status', '{"online": false}', { qos: 1, retain: true });
    await away.endAsync();
    const url = tapped.urlOf(0);
    await eventually('it is known to be away', async () => {
      const refused = await post(`${url}/v1/devices/away/commands`, { type: 'probe', offline: 'fail' });
      return refused.status === 409;
    });
    const asked = { ttlMs: 6_000, resultTimeoutMs: 2_000, maxAttempts: 10 };
    const [begun, unanswered, unsent] = (await Promise.all(
      [starts.id, silent.id, 'away'].map((id) => order(url, id, asked)),
    )) as { readonly id: string }[];
    const is = (id: string, status: string) =>
      eventually(
        `it is ${status}`,
        async () => (await get<CommandBody>(`${url}/v1/commands/${id}`)).body.status === status,
        5_000,
      );
    await Promise.all([is(begun!.id, 'ACKED'), is(unanswered!.id, 'SENT')]);
    await Promise.all([tapped.kill(0), tapped.kill(1)]);
    const published = () => [begun, unanswered, unsent].map((given) => tapped.witness.of(given!.id).length);
    expect(published()).toEqual([1, 1, 0]);

    const over = Date.now() + 6_000;
    await eventually('their time is over', () => Date.now() > over);
    await tapped.fleet.restart(0);
    const ends = await Promise.all([begun, unanswered, unsent].map((given) => untilFinal(tapped.urlOf(0), given!.id)));
    expect(ends).toMatchObject([
      { status: 'TIMED_OUT', outcome: 'unknown', attempts: 1 },
      { status: 'EXPIRED', outcome: 'unknown', attempts: 1, error: { code: 'NO_ANSWER' } },
      { status: 'EXPIRED', outcome: 'not_executed', attempts: 0, error: null },
    ]);
    expect(published()).toEqual([1, 1, 0]);
  }, 90_000);
});
