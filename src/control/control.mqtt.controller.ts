import { Controller, Logger } from '@nestjs/common';
import type { TopicMessage } from '../mqtt/message.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';

/** What devices say of commands. This version acknowledges it and draws no conclusion: a command stays at SENT. */
@Controller()
export class ControlMqttController {
  private readonly logger = new Logger(ControlMqttController.name);

  @OnTopic('{prefix}/{deviceId}/up/commands/{commandId}')
  onAnswer(messages: readonly TopicMessage[]): Promise<void> {
    for (const { topic } of messages) this.logger.debug({ msg: 'answers to commands are not evaluated', topic });
    return Promise.resolve();
  }
}
