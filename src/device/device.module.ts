import { Module } from '@nestjs/common';
import { SensorModule } from '../sensor/sensor.module.js';
import { ActivityRecorder } from './activity.recorder.js';
import { DeviceHttpController } from './device.http.controller.js';
import { DeviceMqttController } from './device.mqtt.controller.js';
import { DeviceRepository } from './device.repository.js';
import { DeviceService } from './device.service.js';
import { PresenceHttpController } from './presence.http.controller.js';
import { PresenceLog } from './presence.log.js';
import { PresenceRecorder } from './presence.recorder.js';
import { PresenceRepository } from './presence.repository.js';
import { RegistryModule } from './registry.module.js';

/** The devices. */
@Module({
  imports: [SensorModule, RegistryModule],
  controllers: [DeviceHttpController, DeviceMqttController, PresenceHttpController],
  providers: [DeviceService, DeviceRepository, ActivityRecorder, PresenceLog, PresenceRecorder, PresenceRepository],
  exports: [DeviceService],
})
export class DeviceModule {}
