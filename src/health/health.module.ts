import { Module } from '@nestjs/common';
import { SensorModule } from '../sensor/sensor.module.js';
import { HealthHttpController } from './health.http.controller.js';
import { HealthService } from './health.service.js';

/** Health, liveness, readiness and the front door. */
@Module({ imports: [SensorModule], controllers: [HealthHttpController], providers: [HealthService] })
export class HealthModule {}
