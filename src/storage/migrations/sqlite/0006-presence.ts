import type { Migration } from '../migration.js';

/**
 * What was last seen of a device coming or going, and the changes that are not in the log yet: a trigger notes each with the
 * change itself, whoever makes it, so that none is lost and none is told twice.
 */
export const presence: Migration = {
  version: 6,
  name: 'presence',
  sql: `
    alter table devices add column presence text;
    alter table devices add column presence_since integer;
    alter table devices add column presence_reason text;
    alter table devices add column presence_source text;
    update devices set presence_since = status_at, presence_source = 'status',
      presence = case online when 1 then 'online' else 'offline' end,
      presence_reason = case online when 1 then 'said_online' else 'said_offline' end
      where online is not null and status_at is not null;
    update devices set presence = 'unknown', presence_since = last_seen, presence_reason = 'activity', presence_source = 'activity'
      where presence is null and last_seen is not null;

    create table presence_changes (
      seq integer primary key autoincrement,
      device_id text not null,
      link text not null,
      state text not null,
      reason text not null,
      source text not null,
      session text,
      since integer not null
    ) strict;
    create trigger devices_presence after update of presence, presence_since on devices
    when new.presence is not null
      and (new.presence is not old.presence or new.presence_since is not old.presence_since)
    begin
      insert into presence_changes (device_id, link, state, reason, source, session, since)
      values (new.id, new.link, new.presence, new.presence_reason, new.presence_source, new.session, new.presence_since);
    end;
  `,
};
