import { Injectable } from '@nestjs/common';
import { Database, type Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';

/** The devices that have shown themselves or been sent a command. */
@Injectable()
export class DeviceRepository {
  constructor(private readonly database: Database) {}

  /** How the device reaches us, or null where it is unknown. */
  async linkOf(deviceId: string): Promise<DeviceLink | null> {
    const row = await this.database.point
      .selectFrom('devices')
      .select('link')
      .where('id', '=', deviceId)
      .executeTakeFirst();
    return row?.link ?? null;
  }

  /** A statement that creates the device where it is unknown, and leaves a known one as it is. */
  insert(deviceId: string, link: DeviceLink, at: number): Statement {
    return this.database.sql
      .insertInto('devices')
      .values({ id: deviceId, link, created_at: at })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .compile();
  }

  /** Creates the devices where unknown and makes them native, as one job. Values are the times at which they showed themselves. */
  async showNative(devices: ReadonlyMap<string, number>): Promise<void> {
    // In the order in which appends lock them too, so that none waits for another in a circle.
    const sorted = [...devices].toSorted(([a], [b]) => (a < b ? -1 : 1));
    await this.database.write(
      sorted.flatMap(([deviceId, at]) => [
        this.insert(deviceId, 'native', at),
        this.database.sql
          .updateTable('devices')
          .set({ link: 'native' })
          .where('id', '=', deviceId)
          .where('link', '<>', 'native')
          .compile(),
      ]),
    );
  }
}
