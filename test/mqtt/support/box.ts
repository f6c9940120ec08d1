import { Controller, type LoggerService, Module, type Type } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { HttpRefusals } from '../../../src/common/http-refusals.js';
import { ProblemFilter } from '../../../src/common/problem.filter.js';
import { TopicTemplate } from '../../../src/common/topic.js';
import { BrokerConfig } from '../../../src/config/broker.config.js';
import { HttpConfig } from '../../../src/config/http.config.js';
import { MqttConfig } from '../../../src/config/mqtt.config.js';
import { TlsConfig, WebSocketConfig } from '../../../src/config/tls.config.js';
import { TopicConfig } from '../../../src/config/topic.config.js';
import { ANYONE } from '../../../src/common/access.js';
import { type AdmittedClient, ClientAccess } from '../../../src/mqtt/client-access.js';
import { MqttLink } from '../../../src/mqtt/link.js';
import type { TopicMessage } from '../../../src/mqtt/message.js';
import { MqttModule } from '../../../src/mqtt/mqtt.module.js';
import { MqttServer } from '../../../src/mqtt/mqtt.server.js';
import { OnTopic } from '../../../src/mqtt/on-topic.decorator.js';
import { MqttPublisher } from '../../../src/mqtt/publisher.js';
import { RetainedStore } from '../../../src/mqtt/retained.store.js';
import { SeatStore } from '../../../src/mqtt/seat.store.js';
import { MemoryRetainedStore } from './memory-retained.store.js';
import { MemorySeatStore } from './memory-seat.store.js';

/** What a handler got: which handler, and the messages of each of its batches. */
export interface Batch {
  readonly handler: string;
  readonly messages: readonly TopicMessage[];
}

/** What the test's handlers do with a batch; the default is to accept it. */
export type Behaviour = (batch: Batch) => Promise<void> | void;

/** Records every batch, and lets a test decide when and how each ends. */
export class Recorder {
  readonly batches: Batch[] = [];
  behaviour: Behaviour = () => {};

  get messages(): TopicMessage[] {
    return this.batches.flatMap(({ messages }) => [...messages]);
  }

  get payloads(): string[] {
    return this.messages.map(({ payload }) => payload.toString());
  }

  of(handler: string): string[] {
    return this.batches.filter((batch) => batch.handler === handler).flatMap((b) => b.messages.map((m) => m.topic));
  }

  async take(handler: string, messages: readonly TopicMessage[]): Promise<void> {
    const batch = { handler, messages };
    this.batches.push(batch);
    await this.behaviour(batch);
  }
}

@Controller()
class TelemetryController {
  constructor(private readonly recorder: Recorder) {}

  @OnTopic('{prefix}/{deviceId}/up/telemetry', { isBulk: (payload) => payload.toString().startsWith('bulk') })
  async onReading(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('telemetry', messages);
  }

  @OnTopic('{prefix}/{deviceId}/up/status')
  async onStatus(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('status', messages);
  }

  @OnTopic('{prefix}/{deviceId}/up/{rest#}', { role: 'fallback' })
  async onUnknown(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('unknown', messages);
  }

  @OnTopic('{foreign}')
  async onForeign(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('foreign', messages);
  }

  @OnTopic('{logged}', { role: 'observe' })
  async onLogged(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('logged', messages);
  }
}

/** A second feature on the same template: both run. */
@Controller()
class PresenceController {
  constructor(private readonly recorder: Recorder) {}

  @OnTopic('{prefix}/{deviceId}/up/status', { role: 'observe' })
  async onStatus(messages: readonly TopicMessage[]): Promise<void> {
    await this.recorder.take('presence', messages);
  }
}

export interface BoxOptions {
  readonly host?: string;
  readonly port?: number;
  readonly deviceRate?: number;
  readonly store?: MemoryRetainedStore;
  readonly seats?: MemorySeatStore;
  /** Settings of an external broker; with a `url` the box uses that one. */
  readonly broker?: Partial<BrokerConfig>;
  readonly controllers?: Type[];
  /** The TLS and WebSocket listeners; none if not given. */
  readonly tls?: Partial<TlsConfig>;
  readonly webSocket?: Partial<WebSocketConfig>;
  /** Who may come in; everyone, in open mode, if not given. */
  readonly access?: ClientAccess;
}

type Warning = Readonly<Record<string, unknown>>;

/** A Nest application with nothing but the MQTT side and handlers that record. */
export interface Box {
  readonly app: NestFastifyApplication;
  readonly recorder: Recorder;
  readonly link: MqttLink;
  readonly publisher: MqttPublisher;
  readonly store: MemoryRetainedStore;
  readonly port: number;
  /** Structured warnings, in order. */
  readonly warnings: readonly Warning[];
  counter(name: string): number;
  close(): Promise<void>;
}

const BROKER_DEFAULTS: Partial<BrokerConfig> = {
  url: null,
  username: '',
  password: '',
  clientId: '',
  keepalive: 30,
  ca: null,
  cert: null,
  key: null,
  shareGroup: 'signalbox',
  seats: 4,
  services: 'auto',
};

/** Open mode. */
class EveryoneAccess extends ClientAccess {
  override readonly required = false;

  override async logIn(): Promise<AdmittedClient> {
    return { principal: ANYONE, credentialId: null, expiresAt: null };
  }

  override async isDevice(): Promise<boolean> {
    return false;
  }

  override onRevoked(): () => void {
    return () => {};
  }

  override onDevice(): () => void {
    return () => {};
  }
}

const NO_TLS: Partial<TlsConfig> = {
  httpCert: null,
  httpKey: null,
  mqttPort: null,
  mqttCert: null,
  mqttKey: null,
  mqttCa: null,
};

function topicConfig(): TopicConfig {
  const deviceTopics = [
    { telemetry: new TopicTemplate('poc/{deviceId}/sensor'), command: new TopicTemplate('poc/{deviceId}/control') },
  ];
  return Object.assign(new TopicConfig(), {
    prefix: 'devices',
    deviceTopics,
    publishTopic: 'demo/pub',
    messageTopics: ['demo/#', 'devices/+/up/odd', 'devices/+/down/odd'],
  });
}

export async function startBox(options: BoxOptions = {}): Promise<Box> {
  const { host = '127.0.0.1', port = 0, deviceRate = 0, store = new MemoryRetainedStore() } = options;
  const { seats = new MemorySeatStore(), broker = {} } = options;
  const config = Object.assign(new MqttConfig(), { host, port, deviceRate });
  const recorder = new Recorder();
  const warnings: Warning[] = [];
  const ignore = (): void => {};
  const warn = (warning: unknown): number => warnings.push(warning as Warning);
  const logger: LoggerService = { log: ignore, error: ignore, warn };
  const { tls = {}, webSocket = {}, access = new EveryoneAccess() } = options;
  const settings = [
    { provide: EveryoneAccess, useValue: access },
    { provide: TlsConfig, useValue: Object.assign(new TlsConfig(), NO_TLS, tls) },
    {
      provide: WebSocketConfig,
      useValue: Object.assign(new WebSocketConfig(), { port: null, origins: [] }, webSocket),
    },
    { provide: HttpConfig, useValue: Object.assign(new HttpConfig(), { host, port: 3000 }) },
    { provide: MqttConfig, useValue: config },
    { provide: BrokerConfig, useValue: Object.assign(new BrokerConfig(), BROKER_DEFAULTS, broker) },
    { provide: TopicConfig, useValue: topicConfig() },
  ];
  @Module({ providers: settings, exports: settings })
  class SettingsModule {}
  @Module({
    imports: [
      MqttModule.register({
        retained: MemoryRetainedStore,
        seats: MemorySeatStore,
        access: EveryoneAccess,
        imports: [SettingsModule],
      }),
    ],
    controllers: [TelemetryController, PresenceController, ...(options.controllers ?? [])],
    // As in the application: a global filter that is made for HTTP must not take the errors of message handlers.
    providers: [
      { provide: Recorder, useValue: recorder },
      { provide: APP_FILTER, useValue: new ProblemFilter(new HttpRefusals()) },
    ],
  })
  class BoxModule {}
  const testing = await Test.createTestingModule({ imports: [BoxModule] })
    .overrideProvider(RetainedStore)
    .useValue(store)
    .overrideProvider(SeatStore)
    .useValue(seats)
    .compile();
  const app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger });
  const strategy = app.get(MqttServer);
  app.connectMicroservice({ strategy }, { inheritAppConfig: true });
  try {
    await app.startAllMicroservices();
    await app.init();
  } catch (error) {
    await app.close();
    throw error;
  }
  const link = app.get(MqttLink);
  return {
    app,
    recorder,
    link,
    publisher: app.get(MqttPublisher),
    store,
    warnings,
    port: Number(new URL(link.urls[0]!).port),
    counter: (name) => link.counters[name] ?? 0,
    close: () => app.close(),
  };
}
