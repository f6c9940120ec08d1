import type pg from 'pg';
import { LOCK_SPACE, LOCKS } from './log-statement.js';
import { partitionName, startOfWeek } from './week.js';

/** The partitions of `readings` that are known to exist; makes those that are missing. */
export class Partitions {
  private readonly known = new Set<number>();

  /** Makes partitions for these weeks where there are none. Costs nothing once they are known. */
  async ensure(client: pg.Client, weeks: ReadonlySet<number>): Promise<void> {
    for (const week of weeks) {
      if (this.known.has(week)) continue;
      await make(client, week);
      this.known.add(week);
    }
  }

  /** To be called where one was missing after all: another replica's retention may have dropped it. */
  forget(): void {
    this.known.clear();
  }
}

/** Attached rather than made in place, because that keeps neither readers nor writers of `readings` waiting. */
async function make(client: pg.Client, week: number): Promise<void> {
  const name = partitionName(week);
  try {
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(${LOCK_SPACE}, ${LOCKS.partitions})`);
    const { rows } = await client.query<{ attached: boolean }>(
      `select exists (select from pg_inherits where inhrelid = to_regclass($1) and inhparent = 'readings'::regclass) as attached`,
      [name],
    );
    if (!rows[0]!.attached) {
      await client.query(`create table if not exists ${name} (like readings)`);
      await client.query(
        `alter table readings attach partition ${name} for values from (${startOfWeek(week)}) to (${startOfWeek(week + 1)})`,
      );
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}
