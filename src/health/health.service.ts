import { Injectable } from '@nestjs/common';
import { HttpRefusals } from '../common/http-refusals.js';
import { type LinkCounters, MqttLink } from '../mqtt/link.js';
import { SensorService } from '../sensor/sensor.service.js';
import { Database } from '../storage/database.js';

/** What the health routes tell. */
export interface Health {
  readonly status: 'OK' | 'DEGRADED';
  /** `counters` by name, such as `refused.topic`, since the start. */
  readonly broker: { readonly status: string; readonly clients: number | null; readonly counters: LinkCounters };
  readonly database: { readonly status: string };
  /** Requests refused since the start, by code. */
  readonly http: { readonly refused: Readonly<Record<string, number>> };
  /** Counts since the start. */
  readonly readings: SensorService['counts'];
  readonly events: SensorService['eventCounts'];
}

/** Whether the broker and the database can be used now. */
@Injectable()
export class HealthService {
  constructor(
    private readonly link: MqttLink,
    private readonly database: Database,
    private readonly sensors: SensorService,
    private readonly refusals: HttpRefusals,
  ) {}

  check(): Health {
    const up = this.link.status === 'up' && this.database.status === 'up';
    return {
      status: up ? 'OK' : 'DEGRADED',
      broker: { status: this.link.status, clients: this.link.clients, counters: this.link.counters },
      database: { status: this.database.status },
      http: { refused: this.refusals.counters },
      readings: this.sensors.counts,
      events: this.sensors.eventCounts,
    };
  }
}
