import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { BrokerModule } from '../access/broker.module.js';
import { HttpRefusals } from '../common/http-refusals.js';
import { ControlModule } from '../control/control.module.js';
import { SensorModule } from '../sensor/sensor.module.js';
import { HealthHttpController } from './health.http.controller.js';
import { HealthService } from './health.service.js';

/** Health, liveness, readiness and the front door. */
@Module({})
export class HealthModule {
  static register(refusals: HttpRefusals): DynamicModule {
    return {
      module: HealthModule,
      imports: [AccessModule, SensorModule, ControlModule, BrokerModule],
      controllers: [HealthHttpController],
      providers: [HealthService, { provide: HttpRefusals, useValue: refusals }],
    };
  }
}
