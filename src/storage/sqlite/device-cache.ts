import type Sqlite from 'better-sqlite3';
import type { DeviceCreation } from '../database.js';
import type { DeviceLink } from '../log.js';
import type { LogRow } from './append.codec.js';

const MOST_DEVICES = 50_000;

/** Raises the link of a device from foreign to native when it is first seen so, never back, and creates its row where that is wanted. */
export class DeviceCache {
  private readonly links = new Map<string, DeviceLink>();
  private readonly keep: Sqlite.Statement;

  constructor(db: Sqlite.Database, { createsDevices }: DeviceCreation) {
    this.keep = db.prepare(
      createsDevices
        ? `insert into devices (id, link, created_at) values (@id, @link, @at)
           on conflict (id) do update set link = 'native' where link = 'foreign' and excluded.link = 'native'`
        : "update devices set link = 'native' where id = @id and link = 'foreign' and @link = 'native'",
    );
  }

  show({ deviceId, link, receivedAt }: LogRow): void {
    const known = this.links.get(deviceId);
    if (known === link || known === 'native') return;
    this.keep.run({ id: deviceId, link, at: receivedAt });
    if (this.links.size >= MOST_DEVICES) this.links.clear();
    // A slice of the batch's text would keep that whole text alive for as long as the device is known.
    this.links.set(Buffer.from(deviceId).toString(), link);
  }

  /** Forgets all, so that rows removed or changed by others are seen to again. */
  clear(): void {
    this.links.clear();
  }
}
