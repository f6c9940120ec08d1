import { Controller } from '@nestjs/common';
import type { TopicMessage } from '../mqtt/message.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';
import type { DeviceLink } from '../storage/log.js';
import type { SensorMessage, Subject } from './sensor.message.js';
import { SensorService } from './sensor.service.js';
import { isBulk } from './weight.js';

/** What devices publish: readings and events by the native topics, readings by foreign ones, and what nothing else reads. */
@Controller()
export class SensorMqttController {
  constructor(private readonly sensors: SensorService) {}

  @OnTopic('{prefix}/{deviceId}/up/telemetry', { isBulk })
  async onReading(messages: readonly TopicMessage[]): Promise<void> {
    await this.sensors.record(messages.map((message) => from(message, 'native', { kind: 'telemetry', metric: null })));
  }

  @OnTopic('{prefix}/{deviceId}/up/telemetry/{metric}', { isBulk })
  async onMetric(messages: readonly TopicMessage[]): Promise<void> {
    await this.sensors.record(
      messages.map((message) => from(message, 'native', { kind: 'telemetry', metric: message.params['metric']! })),
    );
  }

  @OnTopic('{prefix}/{deviceId}/up/events/{type}', { isBulk })
  async onEvent(messages: readonly TopicMessage[]): Promise<void> {
    await this.sensors.record(
      messages.map((message) => from(message, 'native', { kind: 'event', type: message.params['type']! })),
    );
  }

  @OnTopic('{foreign}', { isBulk })
  async onForeignReading(messages: readonly TopicMessage[]): Promise<void> {
    await this.sensors.record(messages.map((message) => from(message, 'foreign', { kind: 'telemetry', metric: null })));
  }

  @OnTopic('{prefix}/{deviceId}/up/{rest#}', { role: 'fallback', isBulk })
  async onUnknownTopic(messages: readonly TopicMessage[]): Promise<void> {
    await this.sensors.record(messages.map((message) => from(message, 'native', { kind: 'unknown' })));
  }
}

function from(message: TopicMessage, link: DeviceLink, subject: Subject): SensorMessage {
  const { params, topic, payload, receivedAt, arrival } = message;
  return { deviceId: params['deviceId']!, link, topic, payload, receivedAt, subject, arrival };
}
