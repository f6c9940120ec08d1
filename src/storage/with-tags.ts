import { type Expression, type RawBuilder, sql, type SqlBool } from 'kysely';
import type { Tags } from '../common/access.js';

/** A condition: the device whose id `deviceId` is carries all of these tags. With none it always holds. */
export function carries(deviceId: Expression<string | null> | RawBuilder<string>, tags: Tags): RawBuilder<SqlBool> {
  const each = Object.entries(tags).map(
    ([key, value]) =>
      sql`exists (select 1 from device_tags where device_id = ${deviceId} and "key" = ${key} and "value" = ${value})`,
  );
  return each.length === 0 ? sql<SqlBool>`1 = 1` : sql<SqlBool>`(${sql.join(each, sql` and `)})`;
}

/** The same condition, judged row by row: for queries that end after a few rows, where a planner would begin with all devices. */
export function carriesByRow(deviceId: RawBuilder<string>, tags: Tags): RawBuilder<SqlBool> {
  // A condition inside of another expression is not turned into a join.
  return sql<SqlBool>`case when ${carries(deviceId, tags)} then 1 else 0 end = 1`;
}

/** The ids of the devices that carry all of these tags, as a subquery; with none those of all devices. For queries that begin with the devices. */
export function carriersOf(tags: Tags): RawBuilder<string> {
  const each = Object.entries(tags).map(
    ([key, value]) => sql`select device_id from device_tags where "key" = ${key} and "value" = ${value}`,
  );
  return each.length === 0 ? sql`(select id from devices)` : sql`(${sql.join(each, sql` intersect `)})`;
}
