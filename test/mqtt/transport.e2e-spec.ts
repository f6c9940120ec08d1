import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { gate, publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';

describe('the MQTT transport', () => {
  let box: Box;
  beforeEach(async () => {
    box = await startBox();
  });
  afterEach(async () => {
    await box.close();
  });

  it('sends no PUBACK before the handler has resolved', async () => {
    const commit = gate();
    box.recorder.behaviour = () => commit.promise;
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, '1', 1, 7));
    await eventually('the handler has the message', () => box.recorder.messages.length === 1);
    const before = client.bytes;
    await client.ping();
    expect(client.bytes).toBe(before + 2);
    commit.open();
    expect((await client.next('puback')).messageId).toBe(7);
  });
});
