import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql, type SqlBool } from 'kysely';
import type { Actor, Principal } from '../common/access.js';
import { hashOf, newKeyId, newSecret } from '../common/secrets.js';
import { Turns } from '../common/turns.js';
import { auditEntry } from '../storage/audit-entry.js';
import { carries } from '../storage/with-tags.js';
import { StatementError } from '../storage/storage.errors.js';
import type { IssuedCredential } from './registry.device.js';
import { RegistryErrors } from './registry.errors.js';
import { type KeptCredential, RegistryRepository } from './registry.repository.js';
import { RegistryService } from './registry.service.js';
import { demand, insertCredentials, locked } from './registry.statements.js';
import { RegistryWatch } from './registry.watch.js';

/** How often a change is tried that other replicas were faster than. */
const MOST_TRIES = 20;

/** What devices log in with: at most two valid credentials each, of which only the hash is kept. */
@Injectable()
export class RegistryCredentials {
  private readonly turns = new Turns();

  constructor(
    private readonly registry: RegistryService,
    private readonly devices: RegistryRepository,
    private readonly watch: RegistryWatch,
  ) {}

  /** Those that are valid now, the oldest first. Throws DEVICE_UNKNOWN. */
  async list(deviceId: string, caller: Principal): Promise<KeptCredential[]> {
    await this.registry.requireEntry(caller, deviceId);
    return valid(await this.devices.credentialsOf(deviceId));
  }

  /**
   * Gives the device another credential. The one before it stays valid for the overlap (seconds), those before that end at once.
   * Throws DEVICE_UNKNOWN, FOLLOWER_UNAVAILABLE, STORAGE_UNAVAILABLE.
   */
  async issue(deviceId: string, overlapSeconds: number, caller: Principal, actor: Actor): Promise<IssuedCredential> {
    await this.registry.requireEntry(caller, deviceId);
    const issued = { id: newKeyId(), secret: newSecret() };
    return this.turns.take(deviceId, async () => {
      // Again: it may have waited for its turn while the device left the caller's limits.
      await this.registry.requireEntry(caller, deviceId);
      await this.watch.announce(deviceId, issued.secret);
      try {
        await this.replace(deviceId, issued, overlapSeconds, caller, actor);
      } catch (error) {
        this.watch.takeBack(deviceId);
        throw error;
      }
      return issued;
    });
  }

  /** Ends a credential, and who is logged in with it. Throws DEVICE_UNKNOWN, CREDENTIAL_UNKNOWN, STORAGE_UNAVAILABLE. */
  async revoke(deviceId: string, credentialId: string, caller: Principal, actor: Actor): Promise<void> {
    await this.registry.requireEntry(caller, deviceId);
    const isKept = async (): Promise<boolean> =>
      valid(await this.devices.credentialsOf(deviceId)).some(({ id }) => id === credentialId);
    if (!(await isKept())) {
      // A first attempt may have been committed although it was said to have failed.
      this.watch.end({ deviceId, credentialId });
      throw noCredential();
    }
    const { sql: db } = this.devices.database;
    const job = [
      ...locked(this.devices.database, deviceId),
      demand(
        db,
        sql<SqlBool>`exists (select 1 from credentials where id = ${credentialId} and device_id = ${deviceId})`,
      ),
      db.deleteFrom('credentials').where('id', '=', credentialId).compile(),
      auditEntry(db, actor, 'credential.revoke', `${deviceId}/${credentialId}`),
    ];
    try {
      await this.watch.change(job, { deviceId, ended: [credentialId] });
    } catch (error) {
      if (error instanceof StatementError && !(await isKept())) throw noCredential();
      throw error;
    }
  }

  private async replace(
    deviceId: string,
    issued: IssuedCredential,
    overlapSeconds: number,
    caller: Principal,
    actor: Actor,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const kept = await this.devices.credentialsOf(deviceId);
      try {
        await this.store(deviceId, issued, kept, overlapSeconds, caller, actor);
        return;
      } catch (error) {
        if (!(error instanceof StatementError) || tries === MOST_TRIES) throw error;
        await this.registry.requireEntry(caller, deviceId);
      }
    }
  }

  /** Fails with a StatementError where the device is gone, is hidden from the caller, or has other credentials than those that were kept. */
  private async store(
    deviceId: string,
    issued: IssuedCredential,
    kept: readonly KeptCredential[],
    overlapSeconds: number,
    { tags }: Principal,
    actor: Actor,
  ): Promise<void> {
    const { database } = this.devices;
    const { sql: db } = database;
    // Their order is that of these times, also where two are issued in one millisecond.
    const now = Math.max(Date.now(), (kept.at(-1)?.createdAt ?? 0) + 1);
    const until = now + overlapSeconds * 1_000;
    const before = overlapSeconds === 0 ? undefined : valid(kept).at(-1);
    const gone = kept.map(({ id }) => id).filter((id) => id !== before?.id);
    const end = Math.min(until, before?.expiresAt ?? until);
    await this.watch.change(
      [
        ...locked(database, deviceId),
        demand(db, areAll(deviceId, kept)),
        ...(tags === null ? [] : [demand(db, carries(sql`${deviceId}`, tags))]),
        ...(gone.length > 0 ? [db.deleteFrom('credentials').where('id', 'in', gone).compile()] : []),
        ...(before
          ? [db.updateTable('credentials').set({ expires_at: end }).where('id', '=', before.id).compile()]
          : []),
        insertCredentials(db, [{ id: issued.id, deviceId, hash: hashOf(issued.secret) }], now),
        auditEntry(db, actor, 'credential.create', `${deviceId}/${issued.id}`),
      ],
      { deviceId, ended: gone },
    );
    if (before) this.watch.endAt(deviceId, before.id, end);
  }
}

/** The device is there and has these credentials and no other. */
function areAll(deviceId: string, kept: readonly KeptCredential[]): RawBuilder<SqlBool> {
  const ids = kept.map(({ id }) => sql`${id}`);
  const among = ids.length === 0 ? sql`1 = 0` : sql`id in (${sql.join(ids)})`;
  return sql<SqlBool>`exists (select 1 from devices where id = ${deviceId})
    and (select count(*) from credentials where device_id = ${deviceId} and ${among}) = cast(${ids.length} as bigint)
    and not exists (select 1 from credentials where device_id = ${deviceId} and not (${among}))`;
}

function valid(credentials: readonly KeptCredential[]): KeptCredential[] {
  const now = Date.now();
  return credentials.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
}

function noCredential(): Error {
  return RegistryErrors.CREDENTIAL_UNKNOWN('The device has no such credential, or it has ended.');
}
