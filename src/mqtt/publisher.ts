import { Injectable } from '@nestjs/common';
import { MqttLink } from './link.js';
import type { OutboundMessage } from './message.js';

/** Publishes for the features; the only way they send anything to a device. */
@Injectable()
export class MqttPublisher {
  constructor(private readonly link: MqttLink) {}

  /** Resolves once the broker accepted the message. Rejects with BROKER_UNAVAILABLE or BROKER_TIMEOUT (10 s). */
  async publish(message: OutboundMessage): Promise<void> {
    await this.link.publish(message);
  }
}
