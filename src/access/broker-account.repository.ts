import { Injectable } from '@nestjs/common';
import type { Selectable } from 'kysely';
import { Database } from '../storage/database.js';
import type { Schema } from '../storage/schema.js';

/** What decides over the account of a device. */
export interface AccountRow {
  readonly deviceId: string;
  /** Enabled and approved. */
  readonly mayLogIn: boolean;
  /** Of the secrets that are valid now, in order. */
  readonly hashes: readonly string[];
}

/** Devices in one read. */
const PAGE = 1_000;
const DEVICE = ['id', 'enabled', 'approved'] as const;
const CREDENTIAL = ['device_id', 'hash', 'expires_at'] as const;

type DeviceRow = Readonly<Pick<Selectable<Schema['devices']>, (typeof DEVICE)[number]>>;
type CredentialRow = Readonly<Pick<Selectable<Schema['credentials']>, (typeof CREDENTIAL)[number]>>;

/** What the registry says of the accounts of devices. */
@Injectable()
export class BrokerAccountRepository {
  constructor(private readonly database: Database) {}

  /** The row of a device, or null where there is no such device. */
  async find(deviceId: string): Promise<AccountRow | null> {
    const { point } = this.database;
    const devices = await point.selectFrom('devices').select(DEVICE).where('id', '=', deviceId).execute();
    const credentials = point.selectFrom('credentials').select(CREDENTIAL).where('device_id', '=', deviceId);
    return rowsOf(devices, await credentials.orderBy('hash').execute())[0] ?? null;
  }

  /** All devices in the order of their ids, a page at a time; each page as it is when it is read. */
  async *pages(): AsyncGenerator<readonly AccountRow[]> {
    const { scan } = this.database;
    const devices = scan.selectFrom('devices').select(DEVICE).orderBy('id').limit(PAGE);
    const credentials = scan.selectFrom('credentials').select(CREDENTIAL).orderBy('hash');
    for (let after = ''; ;) {
      const page = await devices.where('id', '>', after).execute();
      const last = page.at(-1)?.id;
      if (last === undefined) return;
      const theirs = await credentials.where('device_id', '>', after).where('device_id', '<=', last).execute();
      yield rowsOf(page, theirs);
      after = last;
    }
  }
}

function rowsOf(devices: readonly DeviceRow[], credentials: readonly CredentialRow[]): AccountRow[] {
  const now = Date.now();
  const hashes = new Map<string, string[]>();
  for (const { device_id: id, hash, expires_at: expiresAt } of credentials) {
    if (expiresAt === null || expiresAt > now) hashes.set(id, [...(hashes.get(id) ?? []), hash]);
  }
  return devices.map(({ id, enabled, approved }) => ({
    deviceId: id,
    mayLogIn: enabled === 1 && approved === 1,
    hashes: hashes.get(id) ?? [],
  }));
}
