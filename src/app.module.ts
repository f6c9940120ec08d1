import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { BrokerModule } from './access/broker.module.js';
import { MqttAccess } from './access/mqtt-access.service.js';
import type { HttpRefusals } from './common/http-refusals.js';
import { ConfigModule } from './config/config.module.js';
import type { LoadedConfig } from './config/load-config.js';
import { ControlModule } from './control/control.module.js';
import { DeviceModule } from './device/device.module.js';
import { HealthModule } from './health/health.module.js';
import { MessageModule } from './message/message.module.js';
import { RetainedRepository } from './message/retained.repository.js';
import { MqttModule } from './mqtt/mqtt.module.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { SeatRepository } from './replica/seat.repository.js';
import { SensorModule } from './sensor/sensor.module.js';
import { StorageModule } from './storage/storage.module.js';

/** The composition root. */
@Module({})
export class AppModule {
  static register(config: LoadedConfig, refusals: HttpRefusals): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.register(config),
        StorageModule,
        MqttModule.register({
          retained: RetainedRepository,
          seats: SeatRepository,
          access: MqttAccess,
          imports: [AccessModule],
        }),
        AccessModule,
        BrokerModule,
        DeviceModule,
        SensorModule,
        ControlModule,
        MessageModule,
        HealthModule.register(refusals),
        OpenApiModule,
      ],
    };
  }
}
