import { newId } from '../../src/common/ids.js';
import type { RetentionConfig } from '../../src/config/retention.config.js';
import type { Database } from '../../src/storage/database.js';
import type { NewEvent, NewReading } from '../../src/storage/log.js';
import type { RetentionReport } from '../../src/storage/retention.js';

/** An open database that a test may fill, and what the contract suite needs besides its interface. */
export interface TestDatabase {
  readonly database: Database;
  /** Runs retention once with these ages (ms, 0 = for ever) as if it were `now`. */
  retain(ages: Partial<RetentionConfig>, now: number): Promise<RetentionReport>;
  /** Stops the database as the program does, and opens the same one again. */
  reopen(): Promise<TestDatabase>;
  /** Stops it, where it still runs, and removes all of it. */
  remove(): Promise<void>;
}

/** A flat two-metric reading of a native device with an id of its own; `fields` replace any part of it. */
export function reading(fields: Partial<NewReading> = {}): NewReading {
  const ts = fields.ts ?? 1_800_000_000_000;
  return {
    deviceId: 'greenhouse-1',
    link: 'native',
    topic: 'devices/greenhouse-1/up/telemetry',
    ts,
    receivedAt: ts + 20,
    identity: 'id-ts',
    key: newId(),
    seq: null,
    historical: false,
    values: '{"temperature":21.5,"humidity":40}',
    metrics: null,
    ...fields,
  };
}

/** An event of a native device with an id of its own. */
export function event(fields: Partial<NewEvent> = {}): NewEvent {
  const ts = fields.ts ?? 1_800_000_000_000;
  return {
    kind: 'event',
    deviceId: 'greenhouse-1',
    link: 'native',
    type: 'door',
    ts,
    receivedAt: ts + 20,
    identity: 'id-ts',
    key: newId(),
    body: '{"open":true}',
    ...fields,
  };
}

/** A device id that no other test uses. */
export function newDevice(): string {
  return `device-${newId()}`;
}

/** The readings of a device in the order of their positions. */
export function readingsOf({ database }: TestDatabase, deviceId: string) {
  return database.scan
    .selectFrom('readings')
    .selectAll()
    .where('device_id', '=', deviceId)
    .orderBy('position')
    .execute();
}

/** The latest values of a device, by metric. */
export async function latestOf({ database }: TestDatabase, deviceId: string): Promise<Record<string, unknown>> {
  const rows = await database.point.selectFrom('latest').selectAll().where('device_id', '=', deviceId).execute();
  return Object.fromEntries(rows.map(({ metric, ts, value }) => [metric, { ts, value: JSON.parse(value) as unknown }]));
}

/** Just the outcomes. */
export function outcomes(verdicts: readonly { readonly outcome: string }[]): string[] {
  return verdicts.map(({ outcome }) => outcome);
}
