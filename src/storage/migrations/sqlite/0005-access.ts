import type { Migration } from '../migration.js';

/** Devices that are registered with what they are and may, their credentials, keys and sessions of users, and who changed what. */
export const access: Migration = {
  version: 5,
  name: 'access',
  sql: `
    alter table devices add column name text;
    alter table devices add column type text;
    alter table devices add column enabled integer not null default 1 check (enabled in (0, 1));
    alter table devices add column approved integer not null default 1 check (approved in (0, 1));
    alter table devices add column version integer not null default 1;
    create index devices_created on devices (created_at, id);
    create index devices_kept_out on devices (id) where enabled = 0 or approved = 0;

    create table device_tags (
      device_id text not null,
      key text not null,
      value text not null,
      primary key (device_id, key)
    ) strict, without rowid;
    create index device_tags_value on device_tags (key, value, device_id);

    create table credentials (
      id text primary key,
      device_id text not null,
      hash text not null,
      created_at integer not null,
      expires_at integer
    ) strict, without rowid;
    create index credentials_device on credentials (device_id);

    create table api_keys (
      id text primary key,
      name text not null,
      scopes text not null,
      tags text,
      hash text not null,
      created_at integer not null,
      created_by text not null,
      expires_at integer
    ) strict, without rowid;

    create table sessions (
      hash text primary key,
      key_id text not null,
      created_at integer not null,
      expires_at integer not null
    ) strict, without rowid;
    create index sessions_key on sessions (key_id);
    create index sessions_age on sessions (expires_at);

    create table audit (
      seq integer primary key autoincrement,
      id text not null,
      at integer not null,
      actor text not null,
      action text not null,
      target text not null,
      ip text,
      request_id text
    ) strict;
    create index audit_age on audit (at);
  `,
};
