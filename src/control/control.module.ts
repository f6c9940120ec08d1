import { Module } from '@nestjs/common';
import { RegistryModule } from '../device/registry.module.js';
import { DeviceModule } from '../device/device.module.js';
import { SensorModule } from '../sensor/sensor.module.js';
import { AnswerService } from './answer.service.js';
import { CommandDispatcher } from './command.dispatcher.js';
import { CommandHttpController } from './command.http.controller.js';
import { CommandJournal } from './command.journal.js';
import { CommandRepository } from './command.repository.js';
import { CommandSender } from './command.sender.js';
import { CommandWaiter } from './command.waiter.js';
import { CommandWire } from './command.wire.js';
import { ControlHttpController } from './control.http.controller.js';
import { ControlMqttController } from './control.mqtt.controller.js';
import { ControlService } from './control.service.js';
import { DeviceCommandHttpController } from './device-command.http.controller.js';
import { DevicePollService } from './device-poll.service.js';

/** Commands out to devices, and what is known of them. */
@Module({
  imports: [DeviceModule, RegistryModule, SensorModule],
  controllers: [ControlHttpController, CommandHttpController, ControlMqttController, DeviceCommandHttpController],
  providers: [
    ControlService,
    AnswerService,
    DevicePollService,
    CommandRepository,
    CommandJournal,
    CommandWaiter,
    CommandWire,
    CommandSender,
    CommandDispatcher,
  ],
  exports: [ControlService, AnswerService],
})
export class ControlModule {}
