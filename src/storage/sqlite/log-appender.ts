import type Sqlite from 'better-sqlite3';
import type { DeviceCreation } from '../database.js';
import type { NewReject } from '../log.js';
import {
  type EventRow,
  FAILED,
  type LogRow,
  type ReadingRow,
  rowCount,
  STORED,
  unpackEvents,
  unpackReadings,
  unpackRejects,
} from './append.codec.js';
import { DeviceCache } from './device-cache.js';
import { LatestBuffer } from './latest-buffer.js';
import { LogTable } from './log-table.js';
import type { AppendEntry, AppendResult } from './protocol.js';
import { isDatabaseFault } from './sqlite-fault.js';

/** Appends to the log, and beside it the rejects, inside the transaction of its caller. After a rollback of that transaction it must not be used again. */
export class LogAppender {
  readonly devices: DeviceCache;
  private readonly latest: LatestBuffer;
  private readonly readings: LogTable<ReadingRow>;
  private readonly events: LogTable<EventRow>;
  private readonly insertReject: Sqlite.Statement;
  private readonly storePosition: Sqlite.Statement;
  private readonly savepoint: Sqlite.Statement;
  private readonly release: Sqlite.Statement;
  private readonly rollBackTo: Sqlite.Statement;
  private next: number;
  private storedNext: number;

  constructor(
    private readonly db: Sqlite.Database,
    creation: DeviceCreation,
  ) {
    this.devices = new DeviceCache(db, creation);
    this.latest = new LatestBuffer(db);
    this.readings = new LogTable<ReadingRow>(db, {
      table: 'readings',
      ids: 'reading_ids',
      content: 'values',
      columns: ['topic', 'historical', 'seq'],
      values: ({ topic, historical, seq }) => [topic, historical ? 1 : 0, seq],
    });
    this.events = new LogTable<EventRow>(db, {
      table: 'events',
      ids: 'event_ids',
      content: 'body',
      columns: ['kind', 'type'],
      values: ({ kind, type }) => [kind, type],
    });
    this.insertReject = db.prepare(
      `insert into rejects (id, device_id, topic, received_at, code, detail, payload, size) values (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.storePosition = db.prepare("update sequences set next = ? where name = 'log'");
    this.savepoint = db.prepare('savepoint log_row');
    this.release = db.prepare('release log_row');
    this.rollBackTo = db.prepare('rollback to log_row');
    this.next = db.prepare("select next from sequences where name = 'log'").pluck().get() as number;
    this.storedNext = this.next;
  }

  /** Appends all rows at full speed. Throws where one of them cannot be stored; the transaction is then to be rolled back. */
  append(entry: AppendEntry): AppendResult {
    let verdicts: Uint8Array | null = null;
    let index = 0;
    for (const store of this.steps(entry)) {
      const code = store();
      if (code !== STORED) (verdicts ??= new Uint8Array(rowCount(entry)))[index] = code;
      index++;
    }
    return { kind: 'append', verdicts, failures: [] };
  }

  /** Appends row by row, each undone by itself where it cannot be stored. Throws only where the database is the cause. */
  appendOneByOne(entry: AppendEntry): AppendResult {
    const verdicts = new Uint8Array(rowCount(entry));
    const failures: string[] = [];
    let index = 0;
    for (const store of this.steps(entry)) {
      this.savepoint.run();
      try {
        verdicts[index] = store();
        this.latest.flush();
      } catch (error) {
        if (isDatabaseFault(error) || !this.db.inTransaction) throw error;
        this.rollBackTo.run();
        this.devices.clear();
        this.latest.clear();
        verdicts[index] = FAILED;
        failures.push(error instanceof Error ? error.message : String(error));
      }
      this.release.run();
      index++;
    }
    return { kind: 'append', verdicts, failures };
  }

  /** Writes what is coalesced over appends. Due before any other statement and before the commit. */
  flush(): void {
    this.latest.flush();
    if (this.next === this.storedNext) return;
    this.storePosition.run(this.next);
    this.storedNext = this.next;
  }

  private *steps(entry: AppendEntry): Generator<() => number> {
    if (entry.kind === 'rejects') {
      for (const row of unpackRejects(entry)) yield () => this.storeReject(row);
    } else if (entry.kind === 'readings') {
      for (const row of unpackReadings(entry)) yield () => this.storeReading(row);
    } else {
      for (const row of unpackEvents(entry)) yield () => this.storeEvent(row);
    }
  }

  private storeReading(row: ReadingRow): number {
    this.devices.show(row);
    const code = this.store(this.readings, row);
    if (code === STORED) this.latest.offer(row);
    return code;
  }

  private storeEvent(row: EventRow): number {
    if (row.kind === 'event') this.devices.show(row);
    return this.store(this.events, row);
  }

  private storeReject({ id, deviceId, topic, receivedAt, code, detail, payload, size }: NewReject): number {
    this.insertReject.run(id, deviceId, topic, receivedAt, code, detail, payload, size);
    return STORED;
  }

  private store<Row extends LogRow>(table: LogTable<Row>, row: Row): number {
    const code = table.append(row, this.next);
    if (code === STORED) this.next++;
    return code;
  }
}
