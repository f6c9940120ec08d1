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
import { DeviceCatalogue } from './registry.catalogue.js';
import { RegistryHttpController } from './registry.http.controller.js';
import { RegistryImport } from './registry.import.js';
import { RegistryModule } from './registry.module.js';

/** The devices. */
@Module({
  imports: [RegistryModule, SensorModule],
  controllers: [DeviceHttpController, RegistryHttpController, DeviceMqttController, PresenceHttpController],
  providers: [
    DeviceService,
    DeviceRepository,
    ActivityRecorder,
    PresenceLog,
    PresenceRecorder,
    PresenceRepository,
    DeviceCatalogue,
    RegistryImport,
  ],
  exports: [DeviceService],
})
export class DeviceModule {}
