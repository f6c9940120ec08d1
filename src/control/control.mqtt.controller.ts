import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { TopicMessage } from '../mqtt/message.js';
import { OnRequest, type ServiceRequest } from '../mqtt/on-request.decorator.js';
import { OnTopic } from '../mqtt/on-topic.decorator.js';
import { AnswerService } from './answer.service.js';
import { type CommandResource, commandResource } from './command.resource.js';
import { ControlService } from './control.service.js';
import { GetCommandDto, SendCommandDto } from './dto/service-requests.dto.js';
import { contentOf, serviceKey } from './idempotency.js';

/** Commands that other services send, and what devices say of theirs. */
@Controller()
export class ControlMqttController {
  constructor(
    private readonly control: ControlService,
    private readonly answers: AnswerService,
  ) {}

  @OnRequest('services/control/send')
  async send(@Payload() data: SendCommandDto, @Ctx() request: ServiceRequest): Promise<CommandResource> {
    const { idempotencyKey, ...asked } = data;
    const key = serviceKey(idempotencyKey, request, contentOf(asked));
    const { command } = await this.control.send(asked, { caller: request.caller, key });
    return commandResource(command);
  }

  @OnRequest('services/control/get')
  async get(@Payload() { id }: GetCommandDto, @Ctx() { caller }: ServiceRequest): Promise<CommandResource> {
    return commandResource(await this.control.get(id, caller));
  }

  @OnTopic('{prefix}/{deviceId}/up/commands/{commandId}')
  async onAnswer(messages: readonly TopicMessage[]): Promise<void> {
    await this.answers.hear(
      messages.map(({ params, topic, payload, receivedAt }) => ({
        deviceId: params['deviceId']!,
        commandId: params['commandId']!,
        topic,
        payload,
        receivedAt,
      })),
    );
  }
}
