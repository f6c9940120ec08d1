import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { httpDevice, type Shown } from '../control/http-device.js';
import { get } from '../support/http.js';
import { describeWith } from '../support/services.js';
import { Fleet } from './support/fleet.js';

describeWith(['mosquitto', 'postgres'], 'a device without MQTT at two replicas', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(2);
  }, 60_000);
  afterAll(async () => {
    await fleet?.stop();
  });

  /** The same device at both. */
  function pumps() {
    const [one, two] = fleet.replicas.map(({ httpUrl }) => httpUrl) as [string, string];
    const here = httpDevice(one);
    return { here, there: httpDevice(two, here.id), one };
  }

  it('waits at one, gets what was asked for at the other, and what it answers is heard there at once', async () => {
    const { here, there, one } = pumps();
    await there.next();
    for (let n = 0; n < 3; n++) {
      const waiting = there.next('30');
      const { id } = await here.command();
      const began = Date.now();
      expect((await waiting).body).toMatchObject({ id, attempt: 1 });
      const ending = get<Shown>(`${one}/v1/commands/${id}?wait=30`);
      await there.answer(id, { status: 'succeeded', result: n });
      expect((await ending).body).toMatchObject({ status: 'SUCCEEDED', result: n, attempts: 1 });
      // Long before the looks that both take now and then although they heard of nothing.
      expect(Date.now() - began).toBeLessThan(4_000);
    }
  });

  it('that waits at both gets each command once', async () => {
    const { here, there } = pumps();
    await here.next();
    const taken: string[] = [];
    const ending = new AbortController();
    const poll = async (pump: typeof here): Promise<void> => {
      while (!ending.signal.aborted) {
        const { status, body } = await pump.next('1');
        if (status === 200) taken.push(body.id);
      }
    };
    const polling = [poll(here), poll(there), poll(here), poll(there)];
    const ids = await Promise.all(Array.from({ length: 30 }, async () => (await here.command({ mode: 'none' })).id));
    for (const id of ids) expect(await here.is(id, 'SENT')).toMatchObject({ attempts: 1 });
    ending.abort();
    await Promise.all(polling);
    expect(taken.toSorted()).toEqual(ids.toSorted());
  });

  it('gets the next of a fifo queue when its answer to the head came in at the other', async () => {
    const { here, there } = pumps();
    await here.next();
    const head = await here.command({ order: 'fifo' });
    const second = await here.command({ order: 'fifo' });
    expect((await here.next()).body.id).toBe(head.id);
    const waiting = here.next('30');
    await there.answer(head.id, { status: 'accepted' });
    const began = Date.now();
    expect((await waiting).body.id).toBe(second.id);
    expect(Date.now() - began).toBeLessThan(4_000);
  });
});
