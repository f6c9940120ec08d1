import { Module } from '@nestjs/common';
import { HealthHttpController } from './health.http.controller.js';
import { HealthService } from './health.service.js';

/** Health, liveness, readiness and the front door. */
@Module({ controllers: [HealthHttpController], providers: [HealthService] })
export class HealthModule {}
