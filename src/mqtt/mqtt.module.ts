import { type DynamicModule, Module, type ModuleMetadata, type Type } from '@nestjs/common';
import { EmbeddedLink } from './embedded/embedded.link.js';
import { MqttLink } from './link.js';
import { MqttServer } from './mqtt.server.js';
import { MqttPublisher } from './publisher.js';
import { RetainedStore } from './retained.store.js';

export interface MqttModuleOptions {
  /** The class that keeps retained messages; made here, from providers that are global or come from `imports`. */
  readonly retained: Type<RetainedStore>;
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
}

/**
 * All that knows MQTT. `mqtt/` knows no storage, so the application says once who keeps retained messages:
 *
 *     imports: [MqttModule.register({ retained: RetainedRepository })]
 *     app.connectMicroservice({ strategy: app.get(MqttServer) }, { inheritAppConfig: true })
 *
 * Global: a feature injects {@link MqttPublisher} (or {@link MqttLink} for its state) without an import.
 */
@Module({})
export class MqttModule {
  static register({ retained, imports = [] }: MqttModuleOptions): DynamicModule {
    return {
      module: MqttModule,
      global: true,
      imports,
      providers: [
        { provide: RetainedStore, useClass: retained },
        { provide: MqttLink, useClass: EmbeddedLink },
        MqttServer,
        MqttPublisher,
      ],
      exports: [MqttLink, MqttServer, MqttPublisher],
    };
  }
}
