import { Controller } from '@nestjs/common';
import type { TopicMessage } from '../mqtt/message.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';
import { DeviceService } from './device.service.js';

/** What devices say of themselves. */
@Controller()
export class DeviceMqttController {
  constructor(private readonly devices: DeviceService) {}

  @OnTopic('{prefix}/{deviceId}/up/status')
  async onStatus(messages: readonly TopicMessage[]): Promise<void> {
    await this.devices.hear(
      messages.map(({ params, topic, payload, receivedAt, replayed, arrival }) => ({
        deviceId: params['deviceId']!,
        topic,
        payload,
        receivedAt,
        replayed,
        arrival,
      })),
    );
  }
}
