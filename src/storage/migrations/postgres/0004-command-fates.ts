import type { Migration } from '../migration.js';

/**
 * What the fate of a command needs: a version that guards every change, when something is due, and its history as part of the
 * row, so that a change is one statement. Of devices: what they last said of themselves, and when they were heard.
 */
export const commandFates: Migration = {
  version: 4,
  name: 'command-fates',
  sql: `
    alter table commands add column version integer not null default 0;
    alter table commands add column superseded integer not null default 0 check (superseded in (0, 1));
    alter table commands add column last_attempt_at bigint;
    alter table commands add column due_at bigint;
    alter table commands drop column progress;
    alter table commands add column progress double precision;
    alter table commands add column history text not null default '[]';
    update commands set
      history = coalesce((select json_agg(json_build_object('status', h.status, 'at', h.at, 'attempt', h.attempt) order by h.n)::text
        from command_history h where h.command_id = commands.id), '[]'),
      due_at = case when final = 0 then case when attempts = 0 then created_at else expires_at end end;
    drop table command_history;

    drop index commands_open;
    drop index commands_device;
    drop index commands_due;
    drop index commands_age;
    create index commands_open on commands (device_id, seq) where final = 0;
    create index commands_due on commands (due_at) where final = 0;
    create index commands_device on commands (device_id, created_at, seq);
    create index commands_created on commands (created_at, seq);
    create index commands_coalesce on commands (device_id, coalesce_key, seq) where coalesce_key is not null;

    alter table devices add column online integer check (online in (0, 1));
    alter table devices add column session text collate "C";
    alter table devices add column status_at bigint;
    alter table devices add column last_seen bigint;
    alter table devices add column polled_at bigint;
  `,
};
