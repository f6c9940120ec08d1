import { describe, expect, it } from '@jest/globals';
import { TopicConfig } from '../config/topic.config.js';
import { COMMAND_DEFAULTS, newCommand } from './command.js';
import { CommandWire } from './command.wire.js';

const wire = new CommandWire(Object.assign(new TopicConfig(), { prefix: 'site/a', deviceTopics: [] }));
const pump = newCommand(
  { ...COMMAND_DEFAULTS, deviceId: 'pump', type: 'STOP', ttlMs: 2_500 },
  'c1',
  'native',
  10_000,
  'anyone',
);

describe('The message of a command', () => {
  it('says with MQTT 5 what it is, where to answer, and for how long it is of use: no longer than to its end', () => {
    const { topic, payload, qos, properties } = wire.message(pump, wire.topicOf(pump)!, 10_600, () => {});
    expect({ topic, qos, properties }).toEqual({
      topic: 'site/a/pump/down/commands/c1',
      qos: 1,
      properties: {
        contentType: 'application/json',
        responseTopic: 'site/a/pump/up/commands/c1',
        correlationData: 'c1',
        messageExpiry: 1.9,
      },
    });
    expect(JSON.parse(payload as string)).toMatchObject({ id: 'c1', ttlMs: 1_900 });
  });

  it('asks for the acknowledgement of the client that has the id of the device', () => {
    let heard = 0;
    const { receipt } = wire.message(pump, wire.topicOf(pump)!, 10_600, () => heard++);
    receipt!.onAcknowledged();
    expect([receipt!.clientId, heard]).toEqual(['pump', 1]);
  });
});
