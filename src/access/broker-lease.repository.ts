import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { newId } from '../common/ids.js';
import { Database } from '../storage/database.js';

const NAME = 'broker-accounts';
const LEASE_MS = 30_000;

/** The lease of the replica that looks after the accounts at the broker: a row, as the leases of seats. */
@Injectable()
export class BrokerLeaseRepository {
  private readonly self = newId();

  constructor(private readonly database: Database) {}

  /** True where the lease is ours for the next 30 s, by the database's clock. */
  async take(): Promise<boolean> {
    const { database, self } = this;
    const expires_at = sql<number>`${database.now} + ${LEASE_MS}`;
    const [result] = await database.write([
      database.sql
        .insertInto('leases')
        .values({ name: NAME, holder: self, expires_at })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ holder: self, expires_at })
            .where((eb) => eb.or([eb('leases.holder', '=', self), eb('leases.expires_at', '<=', database.now)])),
        )
        .compile(),
    ]);
    return result?.changes === 1;
  }

  /** Gives it back, so that another replica need not wait. */
  async release(): Promise<void> {
    const { sql: statements } = this.database;
    const ours = statements.deleteFrom('leases').where('name', '=', NAME).where('holder', '=', this.self);
    await this.database.write([ours.compile()]);
  }
}
