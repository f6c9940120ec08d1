import { Injectable } from '@nestjs/common';
import { TopicConfig } from '../config/topic.config.js';
import type { OutboundMessage } from '../mqtt/message.js';
import { type Command, foreignPayload, nativePayload } from './command.js';

/** Where commands go, and what goes there (contract, section 3). */
@Injectable()
export class CommandWire {
  constructor(private readonly topics: TopicConfig) {}

  /** Whether a device that was never seen natively would get its commands on a foreign topic. */
  get hasForeignTopics(): boolean {
    return this.topics.deviceTopics.some(({ command }) => command);
  }

  /** Where the command goes; null for a foreign device whose template has left the settings. */
  topicOf({ deviceId, id, link }: Command): string | null {
    if (link === 'native') return `${this.topics.prefix}/${deviceId}/down/commands/${id}`;
    const template = this.topics.deviceTopics.find(({ command }) => command)?.command;
    return template ? template.topicFor({ deviceId }) : null;
  }

  /** The message of the attempt that has begun; `onAcknowledged` is called where the broker tells that the device has it. */
  message(command: Command, topic: string, now: number, onAcknowledged: () => void): OutboundMessage {
    const { deviceId, id, link } = command;
    if (link === 'foreign') return { topic, payload: foreignPayload(command), qos: 1 };
    return {
      topic,
      payload: nativePayload(command, now),
      qos: 1,
      properties: {
        contentType: 'application/json',
        responseTopic: `${this.topics.prefix}/${deviceId}/up/commands/${id}`,
        correlationData: id,
        messageExpiry: (command.expiresAt - now) / 1_000,
      },
      receipt: { clientId: deviceId, onAcknowledged },
    };
  }

  /** The notice that a command is no longer wanted; null where the device has no topic for it. */
  cancelNotice(command: Command): OutboundMessage | null {
    return command.link === 'foreign' ? null : { topic: `${this.topicOf(command)!}/cancel`, payload: '{}', qos: 1 };
  }

  /** The answer to `up/commands/get`: how many commands were sent. */
  pending(deviceId: string, commands: number): OutboundMessage {
    return { topic: `${this.topics.prefix}/${deviceId}/down/acks`, payload: JSON.stringify({ commands }), qos: 0 };
  }
}
