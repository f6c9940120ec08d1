import type { Migration } from '../migration.js';

/** Commands and their history (contract section 6). */
export const commands: Migration = {
  version: 2,
  name: 'commands',
  sql: `
    create table commands (
      seq integer primary key autoincrement,
      id text not null unique,
      device_id text not null,
      link text not null check (link in ('native', 'foreign')),
      type text not null,
      params text not null,
      mode text not null check (mode in ('result', 'ack', 'none')),
      offline text not null check (offline in ('queue', 'fail')),
      "order" text not null check ("order" in ('parallel', 'fifo')),
      max_attempts integer not null,
      coalesce_key text,
      metadata text not null,
      status text not null,
      rank integer not null,
      final integer not null check (final in (0, 1)),
      attempts integer not null,
      created_at integer not null,
      expires_at integer not null,
      result_timeout_ms integer not null,
      deadline_at integer,
      next_attempt_at integer,
      cancel_requested_at integer,
      progress integer,
      result text,
      error text,
      late_result text
    ) strict;
    create index commands_open on commands (device_id, final, seq);
    create index commands_device on commands (device_id, seq);
    create index commands_due on commands (final, next_attempt_at);
    create index commands_age on commands (final, created_at);

    create table command_history (
      command_id text not null references commands (id) on delete cascade,
      n integer not null,
      status text not null,
      at integer not null,
      attempt integer,
      by text,
      primary key (command_id, n)
    ) strict, without rowid;
  `,
};
