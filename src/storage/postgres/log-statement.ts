import type { DeviceCreation } from '../database.js';
import type { LogRow, LogShape } from './log-shape.js';

/** Our advisory locks: the first number says that they are ours, the second what for. */
export const LOCK_SPACE = 0x53424f58;
export const LOCKS = { append: 1, schema: 2, partitions: 3, retention: 4, replicas: 5 } as const;

/** What both append statements begin with: the lock, the positions, the mark (before all else, so that a second try fails by it) and the devices. */
function opening({ createsDevices }: DeviceCreation): string {
  return `
    with lock as materialized (select pg_advisory_xact_lock(${LOCK_SPACE}, ${LOCKS.append})),
    free as materialized (
      select setval('log_positions', nextval('log_positions') + $2::int8 - 1) - $2::int8 as base from lock
    ),
    place as (insert into commit_marks (id, base) select $1::uuid, base from free returning base),
    device as (${createsDevices ? CREATE_DEVICES : RAISE_DEVICES})`;
}

const CREATE_DEVICES = `
      insert into devices (id, link, created_at)
      select d.id, d.link, d.at from place, unnest($3::text[], $4::text[], $5::int8[]) d (id, link, at)
      where not exists (
        select from devices known where known.id = d.id and (known.link = 'native' or d.link = 'foreign')
      )
      on conflict (id) do update set link = 'native' where devices.link = 'foreign' and excluded.link = 'native'
    `;

/** The same for devices that are known, locked in the order of their ids; the times are not needed, but the parameters are the same. */
const RAISE_DEVICES = `
      update devices set link = 'native' where id in (
        select known.id from place, unnest($3::text[], $4::text[], $5::int8[]) d (id, link, at)
        join devices known on known.id = d.id
        where known.link = 'foreign' and d.link = 'native'
        order by known.id for no key update of known
      )
    `;

const UPSERT_LATEST = `
      on conflict (device_id, metric) do update
      set ts = excluded.ts, received_at = excluded.received_at, value = excluded.value
      where excluded.ts > latest.ts`;

/**
 * Appends rows (parameters: those of log-batch.ts, in that order) that are all new and none of which is identified by an id
 * alone; else it fails with a unique violation. The lock makes positions visible in their order. All that writes comes after it
 * (`from place`), so that two replicas never wait for each other in a circle. Returns `base`; positions are base + 1 ..
 */
export function newRowsStatement<Row extends LogRow>(shape: LogShape<Row>, creation: DeviceCreation): string {
  const latest = `,
    newest as (
      insert into latest (device_id, metric, ts, received_at, value)
      select n.* from place, ${coalesced(shape)} n${UPSERT_LATEST}
    )`;
  return `${opening(creation)},
    stored as (${insertRows(shape)})${shape.metricsOf === null ? '' : latest}
    select base from place`;
}

/**
 * The same for any rows, with their metrics as one parameter more: those that are there already are left out, and latest values are taken anew from those that were
 * stored. Measured, it takes half as long again. Returns `base` and `stored`: the positions of what was stored, separated by commas.
 */
export function anyRowsStatement<Row extends LogRow>(shape: LogShape<Row>, creation: DeviceCreation): string {
  const { ids } = shape;
  return `${opening(creation)},
    remembered as (
      insert into ${ids} (device_id, id, position, received_at)
      select r.device_id, substr(r.key, 3), base + r.n, r.received_at
      from place, unnest($6::text[], $8::text[], $9::int8[]) with ordinality r (device_id, key, received_at, n)
      where r.key like 'i:%'
      on conflict (device_id, id) do nothing
      returning position
    ),
    stored as (
      ${insertRows(shape)}
      where r.key is null or r.key not like 'i:%' or base + r.n in (select position from remembered)
      on conflict (device_id, ts, key) do nothing
      returning position
    )${shape.metricsOf === null ? '' : `, ${latestOfStored(shape)}`}
    select (select base from place) as base, coalesce(string_agg(position::text, ','), '') as stored from stored`;
}

function insertRows<Row extends LogRow>({ table, content, columns }: LogShape<Row>): string {
  const own = columns.map(({ name }) => `"${name}"`).join(', ');
  const arrays = columns.map(({ type }, i) => `$${10 + i}::${type}[]`).join(', ');
  return `
      insert into ${table} (position, device_id, ts, key, received_at, ${own}, "${content}")
      select base + r.n, r.device_id, r.ts, coalesce(r.key, 'u:' || (base + r.n)), r.received_at,
        ${columns.map(({ name }) => `r."${name}"`).join(', ')}, r.content
      from place, unnest($6::text[], $7::int8[], $8::text[], $9::int8[], ${arrays}, $${10 + columns.length}::text[])
        with ordinality r (device_id, ts, key, received_at, ${own}, content, n)`;
}

/** Behind the parameter of the content come the coalesced latest values, and behind them the metrics. */
function coalesced<Row extends LogRow>({ columns }: LogShape<Row>): string {
  const [device, metric, ts, at, value] = Array.from({ length: 5 }, (_, i) => `$${11 + columns.length + i}`);
  return `unnest(${device}::text[], ${metric}::text[], ${ts}::int8[], ${at}::int8[], ${value}::text[])`;
}

function latestOfStored<Row extends LogRow>(shape: LogShape<Row>): string {
  const content = 10 + shape.columns.length;
  return `newest as (
      insert into latest (device_id, metric, ts, received_at, value)
      select n.* from ${coalesced(shape)} n where (select count(*) from stored) = $2::int8
      union all
      select s.device_id, s.metric, s.ts, s.received_at, s.value from (
        select distinct on (r.device_id, m.metric)
          r.device_id, m.metric, r.ts, r.received_at, m.value::text as value
        from place, unnest($6::text[], $7::int8[], $9::int8[], $${content}::text[], $${content + 6}::text[])
          with ordinality r (device_id, ts, received_at, content, metrics, n)
        cross join lateral json_each(coalesce(r.metrics, r.content)::json) with ordinality m (metric, value, n)
        where (select count(*) from stored) <> $2::int8 and base + r.n in (select position from stored)
          and json_typeof(m.value) <> 'null'
        order by r.device_id, m.metric, r.ts desc, r.n, m.n desc
      ) s${UPSERT_LATEST}
    )`;
}

/** What is stored under the identities of rows: device ids $1, times $2, stored keys $3. Returns `n` (from 1) and `content`. */
export function contentStatement<Row extends LogRow>({ table, ids, content }: LogShape<Row>): string {
  return `
    select r.n, log.content
    from unnest($1::text[], $2::int8[], $3::text[]) with ordinality r (device_id, ts, key, n)
    cross join lateral (
      select "${content}" as content from ${table}
      where r.key not like 'i:%' and device_id = r.device_id and ts = r.ts and key = r.key
      union all
      select "${content}" from ${ids} known join ${table} using (position)
      where r.key like 'i:%' and known.device_id = r.device_id and known.id = substr(r.key, 3)
    ) log`;
}
