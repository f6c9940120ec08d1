import { Module } from '@nestjs/common';
import { SensorModule } from '../sensor/sensor.module.js';
import { DeviceMqttController } from './device.mqtt.controller.js';
import { DeviceRepository } from './device.repository.js';
import { DeviceService } from './device.service.js';

/** The devices. */
@Module({
  imports: [SensorModule],
  controllers: [DeviceMqttController],
  providers: [DeviceService, DeviceRepository],
  exports: [DeviceService],
})
export class DeviceModule {}
