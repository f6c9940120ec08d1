import { Injectable } from '@nestjs/common';
import { BrokerAccountsService } from '../access/broker-accounts.service.js';
import { HttpRefusals } from '../common/http-refusals.js';
import { BrokerConfig } from '../config/broker.config.js';
import { TopicConfig } from '../config/topic.config.js';
import { type AnswerCounts, AnswerService } from '../control/answer.service.js';
import { type LinkCounters, MqttLink } from '../mqtt/link.js';
import { MqttServer } from '../mqtt/mqtt.server.js';
import type { RequestCounts } from '../mqtt/request.desk.js';
import { SensorService } from '../sensor/sensor.service.js';
import { Database } from '../storage/database.js';
import { type Capabilities, capabilitiesOf } from './capabilities.js';

/** What the health routes tell. */
export interface Health {
  readonly status: 'OK' | 'DEGRADED';
  /** `counters` by name, such as `refused.topic`, since the start. */
  readonly broker: { readonly status: string; readonly clients: number | null; readonly counters: LinkCounters };
  readonly database: { readonly status: string };
  /** Requests refused since the start, by code. */
  readonly http: { readonly refused: Readonly<Record<string, number>> };
  /** Requests of other services over MQTT since the start. */
  readonly services: RequestCounts;
  /** Counts since the start. */
  readonly readings: SensorService['counts'];
  readonly events: SensorService['eventCounts'];
  /** Answers of devices to their commands since the start. */
  readonly answers: AnswerCounts;
}

/** Whether the broker and the database can be used now. */
@Injectable()
export class HealthService {
  constructor(
    private readonly link: MqttLink,
    private readonly server: MqttServer,
    private readonly broker: BrokerConfig,
    private readonly topics: TopicConfig,
    private readonly database: Database,
    private readonly sensors: SensorService,
    private readonly answers: AnswerService,
    private readonly refusals: HttpRefusals,
    private readonly accounts: BrokerAccountsService,
  ) {}

  /** What the present broker and database promise. */
  capabilities(): Capabilities {
    const { link, database, broker, topics } = this;
    return capabilitiesOf(link.capabilities, database.capabilities, {
      answersServices: broker.answersServices,
      prefix: topics.prefix,
      accounts: this.accounts.state,
    });
  }

  check(): Health {
    const up = this.link.status === 'up' && this.database.status === 'up';
    return {
      status: up ? 'OK' : 'DEGRADED',
      broker: { status: this.link.status, clients: this.link.clients, counters: this.link.counters },
      database: { status: this.database.status },
      http: { refused: this.refusals.counters },
      services: this.server.requests,
      readings: this.sensors.counts,
      events: this.sensors.eventCounts,
      answers: this.answers.counts,
    };
  }
}
