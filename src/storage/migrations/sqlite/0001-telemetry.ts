import type { Migration } from '../migration.js';

/**
 * The log (readings and events), what is derived from it, and what came in without becoming part of it. The caps on rejects
 * and messages are triggers, so that they hold at every commit however fast rows come.
 */
export const telemetry: Migration = {
  version: 1,
  name: 'telemetry',
  sql: `
    create table sequences (name text primary key, next integer not null) strict, without rowid;
    insert into sequences (name, next) values ('log', 1);

    create table devices (
      id text primary key,
      link text not null check (link in ('native', 'foreign')),
      created_at integer not null
    ) strict, without rowid;

    create table readings (
      position integer primary key,
      device_id text not null,
      ts integer not null,
      key text not null,
      received_at integer not null,
      topic text not null,
      historical integer not null,
      seq integer,
      "values" text not null
    ) strict;
    create unique index readings_identity on readings (device_id, ts, key);

    create table reading_ids (
      device_id text not null,
      id text not null,
      position integer not null,
      received_at integer not null,
      primary key (device_id, id)
    ) strict, without rowid;
    create index reading_ids_age on reading_ids (received_at);

    create table latest (
      device_id text not null,
      metric text not null,
      ts integer not null,
      received_at integer not null,
      value text not null,
      primary key (device_id, metric)
    ) strict, without rowid;

    create table units (
      device_id text not null,
      metric text not null,
      unit text not null,
      primary key (device_id, metric)
    ) strict, without rowid;

    create table events (
      position integer primary key,
      kind text not null,
      device_id text not null,
      type text not null,
      ts integer not null,
      key text not null,
      received_at integer not null,
      body text not null
    ) strict;
    create unique index events_identity on events (device_id, ts, key);

    create table event_ids (
      device_id text not null,
      id text not null,
      position integer not null,
      received_at integer not null,
      primary key (device_id, id)
    ) strict, without rowid;
    create index event_ids_age on event_ids (received_at);

    create table rejects (
      seq integer primary key autoincrement,
      id text not null unique,
      device_id text,
      topic text not null,
      received_at integer not null,
      code text not null,
      detail text not null,
      payload blob not null,
      size integer not null
    ) strict;
    create index rejects_device on rejects (device_id, seq);
    create index rejects_code on rejects (code, seq);
    create index rejects_age on rejects (received_at);

    create table reject_counts (
      device_id text primary key,
      kept integer not null,
      dropped integer not null
    ) strict, without rowid;
    insert into reject_counts (device_id, kept, dropped) values ('*', 0, 0);

    create trigger rejects_added after insert on rejects begin
      insert into reject_counts (device_id, kept, dropped)
        select new.device_id, 1, 0 where new.device_id is not null
        on conflict (device_id) do update set kept = kept + 1;
      update reject_counts set kept = kept + 1 where device_id = '*';
    end;
    create trigger rejects_removed after delete on rejects begin
      update reject_counts set kept = kept - 1 where device_id = '*';
      update reject_counts set kept = kept - 1 where device_id = old.device_id;
      delete from reject_counts where device_id = old.device_id and kept = 0;
    end;
    create trigger rejects_of_device_capped after update of kept on reject_counts
    when new.kept > 10000 and new.device_id <> '*' begin
      update reject_counts set dropped = dropped + 1 where device_id in ('*', new.device_id);
      delete from rejects where seq = (select min(seq) from rejects where device_id = new.device_id);
    end;
    create trigger rejects_capped after update of kept on reject_counts
    when new.kept > 100000 and new.device_id = '*' begin
      update reject_counts set dropped = dropped + 1 where device_id = '*';
      delete from rejects where seq = (select min(seq) from rejects);
    end;

    create table messages (
      seq integer primary key autoincrement,
      topic text not null,
      payload blob not null,
      qos integer not null,
      retain integer not null,
      received_at integer not null
    ) strict;
    create index messages_age on messages (received_at);
    create trigger messages_added after insert on messages begin
      delete from messages where seq <= new.seq - 1000000;
    end;

    create table retained (
      topic text primary key,
      payload blob not null,
      qos integer not null
    ) strict;
  `,
};
