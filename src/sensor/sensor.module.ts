import { Module } from '@nestjs/common';
import { RegistryModule } from '../device/registry.module.js';
import { DeviceFeedback } from './device-feedback.js';
import { DeviceTelemetryHttpController } from './device-telemetry.http.controller.js';
import { ReadingHistory } from './reading.history.js';
import { ReadingRepository } from './reading.repository.js';
import { RejectRepository } from './reject.repository.js';
import { SensorHttpController } from './sensor.http.controller.js';
import { SensorMqttController } from './sensor.mqtt.controller.js';
import { SensorServiceController } from './service.mqtt.controller.js';
import { SensorService } from './sensor.service.js';
import { UnitRepository } from './unit.repository.js';

/** Telemetry and events in, readings and rejects out. */
@Module({
  imports: [RegistryModule],
  controllers: [SensorHttpController, SensorMqttController, SensorServiceController, DeviceTelemetryHttpController],
  providers: [SensorService, DeviceFeedback, ReadingRepository, ReadingHistory, RejectRepository, UnitRepository],
  exports: [SensorService],
})
export class SensorModule {}
