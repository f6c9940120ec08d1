import type { Migration } from '../migration.js';

/** Leases of work that one replica owns, and the keys of requests that may be repeated. */
export const replicas: Migration = {
  version: 3,
  name: 'replicas',
  sql: `
    create table leases (
      name text collate "C" primary key,
      holder text collate "C" not null,
      expires_at bigint not null
    );

    create table idempotency_keys (
      caller text collate "C" not null,
      key text collate "C" not null,
      fingerprint text collate "C" not null,
      command_id text collate "C" not null references commands (id) on delete cascade,
      created_at bigint not null,
      primary key (caller, key)
    );
    create index idempotency_keys_age on idempotency_keys (created_at);
    create index idempotency_keys_command on idempotency_keys (command_id);
  `,
};
