import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectPacket, RawClient, rawPublish } from '../mqtt/support/raw-client.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(async () => {
  await stage.holds();
});
afterAll(async () => {
  await stage.stop();
});

const EVIL = 'a\r\n{"level":60,"msg":"forged"}\r\n\u001b[2J\u009b1m';

describe('CR LF, ESC, fake JSON in headers and ids', () => {
  it('(a client id) CONNACK 2, and one escaped line', async () => {
    const line = await stage.lineOf(async () => {
      const client = await RawClient.open(stage.service.mqttPort);
      client.send(connectPacket(EVIL));
      expect(await client.connackCode()).toBe(2);
    });
    expect(line).toMatchObject({ reason: 'refused.client_id' });
  });

  it('(a topic) closed, and one escaped line that shows it', async () => {
    const line = await stage.lineOf(async () => {
      const client = await RawClient.connect(stage.service.mqttPort, 'fine');
      client.send(rawPublish(Buffer.from(`demo/${EVIL}`), Buffer.from('1'), 1));
      await client.closed();
    });
    expect(line).toMatchObject({ reason: 'refused.topic', client: 'fine', topic: `demo/${EVIL}` });
  });

  it('(a filter) 0x80, and one escaped line that shows it', async () => {
    const line = await stage.lineOf(async () => {
      const client = await RawClient.connect(stage.service.mqttPort, 'fine');
      expect(await client.subscribe(1, EVIL)).toEqual([0x80]);
      client.end();
    });
    expect(line).toMatchObject({ reason: 'refused.subscribe', client: 'fine', filter: EVIL });
  });
});
