import { Module } from '@nestjs/common';
import { SensorModule } from '../sensor/sensor.module.js';
import { ActivityRecorder } from './activity.recorder.js';
import { DeviceHttpController } from './device.http.controller.js';
import { DeviceMqttController } from './device.mqtt.controller.js';
import { DeviceRepository } from './device.repository.js';
import { DeviceService } from './device.service.js';

/** The devices. */
@Module({
  imports: [SensorModule],
  controllers: [DeviceHttpController, DeviceMqttController],
  providers: [DeviceService, DeviceRepository, ActivityRecorder],
  exports: [DeviceService],
})
export class DeviceModule {}
