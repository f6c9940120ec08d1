import { type DynamicModule, Module, type ModuleMetadata, type Type } from '@nestjs/common';
import { BrokerConfig } from '../config/broker.config.js';
import { HttpConfig } from '../config/http.config.js';
import { MqttConfig } from '../config/mqtt.config.js';
import { TlsConfig, WebSocketConfig } from '../config/tls.config.js';
import { TopicConfig } from '../config/topic.config.js';
import { BrokerAccounts } from './broker-accounts.js';
import { ClientAccess } from './client-access.js';
import { LastHeard } from './last-heard.js';
import { MqttLink } from './link.js';
import { MqttServer } from './mqtt.server.js';
import { MqttPublisher } from './publisher.js';
import { RetainedStore } from './retained.store.js';
import { SeatStore } from './seat.store.js';

export interface MqttModuleOptions {
  /** The class that keeps the embedded broker's retained messages; made here, from providers that are global or come from `imports`. */
  readonly retained: Type<RetainedStore>;
  /** The class that leases the sessions at an external broker; made likewise. */
  readonly seats: Type<SeatStore>;
  /** The class that judges who may be a client of the embedded broker; a provider that `imports` bring. */
  readonly access: Type<ClientAccess>;
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
}

/** Each link is loaded only where it is used. */
async function openLink(
  broker: BrokerConfig,
  mqtt: MqttConfig,
  topics: TopicConfig,
  retained: RetainedStore,
  seats: SeatStore,
  access: ClientAccess,
  tls: TlsConfig,
  webSocket: WebSocketConfig,
  http: HttpConfig,
): Promise<MqttLink> {
  if (broker.url !== null) {
    const { ExternalLink } = await import('./external/external.link.js');
    return new ExternalLink(broker, topics, seats);
  }
  const { EmbeddedLink } = await import('./embedded/embedded.link.js');
  return new EmbeddedLink({ mqtt, tls, webSocket, http }, topics, retained, access);
}

/** Null where nobody but the broker's operator, or the registry itself, keeps accounts. */
async function openAccounts(broker: BrokerConfig): Promise<BrokerAccounts | null> {
  if (broker.url === null || broker.dynsec !== 'on') return null;
  const { DynamicSecurity } = await import('./external/dynamic-security.js');
  return new DynamicSecurity(broker);
}

/**
 * All that knows MQTT. `mqtt/` knows no storage, so the application says once who keeps what:
 *
 *     imports: [
 *       MqttModule.register({
 *         retained: RetainedRepository,
 *         seats: SeatRepository,
 *         access: MqttAccess,
 *         imports: [AccessModule],
 *       }),
 *     ]
 *     app.connectMicroservice({ strategy: app.get(MqttServer) }, { inheritAppConfig: true })
 *
 * Global: a feature injects {@link MqttPublisher} (or {@link MqttLink} for its state) without an import.
 */
@Module({})
export class MqttModule {
  static register({ retained, seats, access, imports = [] }: MqttModuleOptions): DynamicModule {
    return {
      module: MqttModule,
      global: true,
      imports,
      providers: [
        { provide: RetainedStore, useClass: retained },
        { provide: SeatStore, useClass: seats },
        { provide: ClientAccess, useExisting: access },
        {
          provide: MqttLink,
          useFactory: openLink,
          inject: [
            BrokerConfig,
            MqttConfig,
            TopicConfig,
            RetainedStore,
            SeatStore,
            ClientAccess,
            TlsConfig,
            WebSocketConfig,
            HttpConfig,
          ],
        },
        { provide: BrokerAccounts, useFactory: openAccounts, inject: [BrokerConfig] },
        LastHeard,
        MqttServer,
        MqttPublisher,
      ],
      exports: [MqttLink, BrokerAccounts, LastHeard, MqttServer, MqttPublisher],
    };
  }
}
