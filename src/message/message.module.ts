import { Module } from '@nestjs/common';
import { MessageHttpController } from './message.http.controller.js';
import { MessageMqttController } from './message.mqtt.controller.js';
import { MessageRepository } from './message.repository.js';
import { MessageService } from './message.service.js';

/** Raw publish and the raw message log. */
@Module({
  controllers: [MessageHttpController, MessageMqttController],
  providers: [MessageService, MessageRepository],
})
export class MessageModule {}
