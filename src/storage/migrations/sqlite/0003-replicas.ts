import type { Migration } from '../migration.js';

/** Leases of work that one replica owns, and the keys of requests that may be repeated. */
export const replicas: Migration = {
  version: 3,
  name: 'replicas',
  sql: `
    create table leases (
      name text primary key,
      holder text not null,
      expires_at integer not null
    ) strict, without rowid;

    create table idempotency_keys (
      caller text not null,
      key text not null,
      fingerprint text not null,
      command_id text not null references commands (id) on delete cascade,
      created_at integer not null,
      primary key (caller, key)
    ) strict, without rowid;
    create index idempotency_keys_age on idempotency_keys (created_at);
    create index idempotency_keys_command on idempotency_keys (command_id);
  `,
};
