import { expect } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerLog } from '../../support/broker-log.js';
import { eventually } from '../../support/eventually.js';
import { get } from '../../support/http.js';
import { type Postgres, query, startPostgres } from '../../support/postgres.js';
import { type Service, startService, temporaryDirectory } from '../../support/process.js';
import { FOR_REPLICAS, type Mosquitto, startMosquitto } from '../../support/services.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import type { Load } from './load.js';

interface Stored {
  readonly deviceId: string;
  readonly payload: { readonly n: number };
  readonly timestamp: string;
  readonly receivedAt: string;
}

/** Settings of the replica at a place, from the port of the broker. */
type SettingsOf = (place: number, brokerPort: number) => Readonly<Record<string, string>>;

const SEATS = [1, 2, 3, 4].map((n) => `signalbox-seat-${n}`);

/** Replicas of Signalbox, each a process, on one Mosquitto and one PostgreSQL. */
export class Fleet {
  readonly replicas: Service[] = [];
  private readonly files = temporaryDirectory();
  private mosquitto!: Mosquitto;
  /** Between the devices and the broker. */
  private network!: TcpProxy;
  /** What the broker says, since its last start. */
  log!: BrokerLog;

  private constructor(
    private readonly postgres: Postgres,
    private readonly databaseUrl: string,
    private readonly settingsOf: SettingsOf,
  ) {}

  /** Starts broker, database and `size` replicas, these all at once. `settingsOf` adds settings to those of a place, at each start there. */
  static async start(size: number, settingsOf: SettingsOf = () => ({})): Promise<Fleet> {
    const postgres = await startPostgres({ max_connections: '200' });
    const fleet = new Fleet(postgres, await postgres.createDatabase(), settingsOf);
    try {
      await fleet.startBroker();
      fleet.network = await startTcpProxy(fleet.mosquitto.port);
      const names = Array.from({ length: size }, (_, n) => n);
      fleet.replicas.push(...(await Promise.all(names.map((n) => fleet.startReplica(n)))));
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /** Where devices reach the broker. */
  get brokerUrl(): string {
    return `mqtt://127.0.0.1:${this.network.port}`;
  }

  /** Starts the replica that had this place, anew. */
  async restart(place: number): Promise<void> {
    this.replicas[place] = await this.startReplica(place);
  }

  /**
   * SIGTERM to the broker, and its start with the sessions and messages that it had. It forgets their shared subscriptions
   * (Mosquitto 2.0.11): what it acknowledges before a seat has subscribed again is lost to everybody. So the devices come back
   * after the seats, as docs/operations.md asks.
   */
  async restartBroker(): Promise<void> {
    this.network.cut();
    await this.log.close();
    await this.mosquitto.stop();
    await this.startBroker(this.mosquitto.port);
    await this.seatsSubscribed();
    this.network.restore();
  }

  async restartDatabase(): Promise<void> {
    await this.postgres.stop();
    await this.postgres.start();
  }

  /** Kills broker and database, and starts both again when `meanwhile` has ended. */
  async withoutBoth(meanwhile: () => Promise<void>): Promise<void> {
    const { port } = this.mosquitto;
    this.network.cut();
    await this.log.close();
    await Promise.all([this.mosquitto.stop(), this.postgres.stop('SIGQUIT')]);
    await meanwhile();
    await Promise.all([this.startBroker(port), this.postgres.start()]);
    await this.seatsSubscribed();
    this.network.restore();
  }

  /** The live leases of seats, as seat and holder. */
  async leases(): Promise<ReadonlyMap<string, string>> {
    const rows = await query(
      this.databaseUrl,
      `select name, holder from leases where name like 'seat:%' and expires_at > extract(epoch from clock_timestamp()) * 1000`,
    );
    return new Map(rows.map(({ name, holder }) => [String(name), String(holder)]));
  }

  /** Resolves when all seats are held, evenly, by `count` replicas. */
  async balanced(count: number, seats = SEATS.length): Promise<ReadonlyMap<string, string>> {
    return eventually(
      `${seats} seats are held evenly by ${count} replicas`,
      async () => {
        const leases = await this.leases();
        const shares = [...new Set(leases.values())].map(
          (holder) => [...leases.values()].filter((other) => other === holder).length,
        );
        return leases.size === seats && shares.length === count && Math.max(...shares) - Math.min(...shares) <= 1
          ? leases
          : null;
      },
      30_000,
    );
  }

  /** The readings of a device, as a replica tells them. */
  async readings(deviceId: string, replica = this.replicas[0]!): Promise<readonly Stored[]> {
    const { body } = await get<readonly Stored[]>(`${replica.httpUrl}/sensors?deviceId=${deviceId}&limit=10000`);
    // A full page could hide some.
    expect(body.length).toBeLessThan(10_000);
    return body;
  }

  /** Resolves when every reading that the broker acknowledged is stored; fails where one is stored twice, or was never sent. */
  async expectAllStoredOnce(load: Load, deadlineMs = 60_000): Promise<void> {
    for (const { id, acknowledged, sent } of load.devices) {
      const missing = async (): Promise<readonly number[]> => {
        const stored = new Set((await this.readings(id)).map(({ payload }) => payload.n));
        return [...acknowledged].filter((n) => !stored.has(n));
      };
      await eventually(
        `${id}: all acknowledged readings are stored`,
        async () => {
          const lost = await missing();
          if (lost.length > 0) throw new Error(`${id}: ${lost.length} are missing: ${lost.slice(0, 20).join(' ')} ..`);
          return true;
        },
        deadlineMs,
      );
      const numbers = (await this.readings(id)).map(({ payload }) => payload.n);
      expect(numbers).toHaveLength(new Set(numbers).size);
      expect(numbers.every((n) => n < sent)).toBe(true);
    }
  }

  /** Ends everything at once and removes all files. */
  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.stop('SIGKILL')));
    await this.network?.stop();
    await this.log?.close();
    await this.mosquitto?.kill();
    await this.postgres.remove();
    this.files.remove();
  }

  private async seatsSubscribed(): Promise<void> {
    await eventually(
      'all seats have subscribed again',
      () => SEATS.every((name) => this.log.subscribed.has(name)),
      30_000,
    );
  }

  private async startReplica(place: number): Promise<Service> {
    const directory = join(this.files.path, `replica-${place}`);
    mkdirSync(directory, { recursive: true });
    const settings = this.settingsOf(place, this.mosquitto.port);
    return startService(directory, { MQTT_URL: this.mosquitto.url, DATABASE_URL: this.databaseUrl, ...settings });
  }

  private async startBroker(port?: number): Promise<void> {
    const directory = join(this.files.path, 'mosquitto');
    mkdirSync(directory, { recursive: true });
    this.mosquitto = await startMosquitto({
      ...(port === undefined ? {} : { port }),
      data: directory,
      config: `${FOR_REPLICAS}\nlog_dest stderr\nlog_type all`,
    });
    this.log = new BrokerLog(this.mosquitto.log, this.mosquitto.url, 'signalbox-');
  }
}
