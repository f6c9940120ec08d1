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
