import { Controller, Logger } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { TopicMessage } from '../mqtt/message.js';
import { OnRequest, type ServiceRequest } from '../mqtt/on-request.decorator.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';
import { type CommandResource, commandResource } from './command.resource.js';
import { ControlService } from './control.service.js';
import { GetCommandDto, SendCommandDto } from './dto/service-requests.dto.js';
import { serviceKey } from './idempotency.js';

/**
 * Commands that other services send, and what devices say of commands. This version acknowledges the latter and draws no
 * conclusion: a command stays at SENT.
 */
@Controller()
export class ControlMqttController {
  private readonly logger = new Logger(ControlMqttController.name);

  constructor(private readonly control: ControlService) {}

  @OnRequest('services/control/send')
  async send(@Payload() data: SendCommandDto, @Ctx() request: ServiceRequest): Promise<CommandResource> {
    const { deviceId, type, params, idempotencyKey } = data;
    const key = serviceKey(idempotencyKey, request, { deviceId, type, params });
    const { command } = await this.control.send({ deviceId, type, params }, key);
    return commandResource(command);
  }

  @OnRequest('services/control/get')
  async get(@Payload() { id }: GetCommandDto): Promise<CommandResource> {
    return commandResource(await this.control.get(id));
  }

  @OnTopic('{prefix}/{deviceId}/up/commands/{commandId}')
  onAnswer(messages: readonly TopicMessage[]): Promise<void> {
    for (const { topic } of messages) this.logger.debug({ msg: 'answers to commands are not evaluated', topic });
    return Promise.resolve();
  }
}
