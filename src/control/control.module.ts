import { Module } from '@nestjs/common';
import { DeviceModule } from '../device/device.module.js';
import { CommandRepository } from './command.repository.js';
import { ControlHttpController } from './control.http.controller.js';
import { ControlMqttController } from './control.mqtt.controller.js';
import { ControlService } from './control.service.js';

/** Commands out to devices, and what is known of them. */
@Module({
  imports: [DeviceModule],
  controllers: [ControlHttpController, ControlMqttController],
  providers: [ControlService, CommandRepository],
  exports: [ControlService],
})
export class ControlModule {}
