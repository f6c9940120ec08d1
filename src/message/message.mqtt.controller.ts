import { Controller } from '@nestjs/common';
import type { TopicMessage } from '../mqtt/message.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';
import { MessageService } from './message.service.js';

/** Keeps what goes over MESSAGE_TOPICS. */
@Controller()
export class MessageMqttController {
  constructor(private readonly messages: MessageService) {}

  @OnTopic('{logged}', { role: 'observe' })
  async onMessage(messages: readonly TopicMessage[]): Promise<void> {
    await this.messages.log(messages);
  }
}
