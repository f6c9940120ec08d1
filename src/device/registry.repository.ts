import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import type { Tags } from '../common/access.js';
import { Database } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import { Prepared } from '../storage/prepared.js';
import { carries } from '../storage/with-tags.js';

/** What the registry says of a device as far as others must know before they deal with it. */
export interface RegisteredDevice {
  readonly id: string;
  readonly link: DeviceLink;
  readonly enabled: boolean;
  readonly approved: boolean;
}

/** What a device may log in with. `expiresAt` in epoch milliseconds; null: until it is revoked. */
export interface KeptCredential {
  readonly id: string;
  readonly hash: string;
  readonly expiresAt: number | null;
}

/** The rows of the registry. */
@Injectable()
export class RegistryRepository {
  private readonly byId = new Prepared(({ id }: { id: string }) =>
    this.database.point.selectFrom('devices').select(['id', 'link', 'enabled', 'approved']).where('id', '=', id),
  );

  constructor(private readonly database: Database) {}

  /** The device, or null where there is none. */
  async find(id: string): Promise<RegisteredDevice | null> {
    const [row] = (await this.database.point.executeQuery(this.byId.with({ id }))).rows;
    return row ? { id: row.id, link: row.link, enabled: row.enabled === 1, approved: row.approved === 1 } : null;
  }

  async tagsOf(deviceId: string): Promise<Tags> {
    const rows = await this.database.point
      .selectFrom('device_tags')
      .select(['key', 'value'])
      .where('device_id', '=', deviceId)
      .execute();
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }

  /** Those of the ids whose devices carry all of these tags. */
  async carriersAmong(ids: readonly string[], tags: Tags): Promise<ReadonlySet<string>> {
    const rows = await this.database.point
      .selectFrom('devices')
      .select('id')
      .where('id', 'in', ids)
      .where(carries(sql.ref('devices.id'), tags))
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** All that are kept, expired ones included. */
  async credentialsOf(deviceId: string): Promise<KeptCredential[]> {
    const rows = await this.database.point
      .selectFrom('credentials')
      .select(['id', 'hash', 'expires_at'])
      .where('device_id', '=', deviceId)
      .execute();
    return rows.map(({ id, hash, expires_at: expiresAt }) => ({ id, hash, expiresAt }));
  }
}
