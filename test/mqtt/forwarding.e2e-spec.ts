import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { RawClient } from './support/raw-client.js';

describe.each([true, false])('A message on its way to a subscriber, clean %s', (clean) => {
  let box: Box;
  let client: RawClient;

  const publish = (payload: string, qos: 0 | 1 | 2, topic = 'devices/d1/down/x') =>
    box.publisher.publish({ topic, payload, qos });
  const payloads = (of: RawClient): string[] => of.of('publish').map(({ payload }) => payload.toString());

  beforeEach(async () => {
    box = await startBox();
    client = await RawClient.connect(box.port, 'd1', { clean });
  });
  afterEach(async () => {
    client.end();
    await box.close();
  });

  it.each([0, 1, 2] as const)('of QoS %i arrives once, although several subscriptions match', async (qos) => {
    await client.subscribe(1, 'devices/d1/down/#', 'devices/d1/down/x', 'devices/+/down/+', '#');
    for (let i = 0; i < 10; i++) await publish(`${i}`, qos);
    await publish('last', 0, 'last');
    await eventually('the last came', () => payloads(client).includes('last'));
    await client.ping();
    expect(payloads(client).toSorted()).toEqual([...Array.from({ length: 10 }, (_, i) => `${i}`), 'last']);
  });

  it('is not lost where one of a lower QoS, which goes faster, was published right behind it', async () => {
    await client.subscribe(1, 'devices/d1/down/#');
    await Promise.all(Array.from({ length: 30 }, (_, i) => publish(`${i}`, i % 3 === 0 ? 1 : 0)));
    await client.next('publish', 30);
    await client.ping();
    expect(new Set(payloads(client))).toEqual(new Set(Array.from({ length: 30 }, (_, i) => `${i}`)));
    expect(client.of('publish')).toHaveLength(30);
    expect(client.of('publish').filter(({ qos }) => qos === 1)).toHaveLength(10);
  });
});
