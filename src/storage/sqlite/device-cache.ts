import type Sqlite from 'better-sqlite3';
import type { DeviceLink } from '../log.js';
import type { LogRow } from './append.codec.js';

const MOST_DEVICES = 50_000;

/** Creates the row of a device when it is first seen, and raises its link from foreign to native, never back. */
export class DeviceCache {
  private readonly links = new Map<string, DeviceLink>();
  private readonly upsert: Sqlite.Statement;

  constructor(db: Sqlite.Database) {
    this.upsert = db.prepare(
      `insert into devices (id, link, created_at) values (?, ?, ?)
       on conflict (id) do update set link = 'native' where link = 'foreign' and excluded.link = 'native'`,
    );
  }

  show({ deviceId, link, receivedAt }: LogRow): void {
    const known = this.links.get(deviceId);
    if (known === link || known === 'native') return;
    this.upsert.run(deviceId, link, receivedAt);
    if (this.links.size >= MOST_DEVICES) this.links.clear();
    // A slice of the batch's text would keep that whole text alive for as long as the device is known.
    this.links.set(Buffer.from(deviceId).toString(), link);
  }

  /** Forgets all, so that rows removed or changed by others are seen to again. */
  clear(): void {
    this.links.clear();
  }
}
