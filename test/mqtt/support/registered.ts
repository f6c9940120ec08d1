import { apiKeyText, hashOf, newKeyId, newSecret } from '../../../src/common/secrets.js';
import type { Database } from '../../../src/storage/database.js';

/** The login of a device, as `connectPacket` and MQTT.js take it. */
export interface DeviceLogin {
  readonly id: string;
  readonly credentialId: string;
  readonly username: string;
  readonly password: string;
}

/** An API key, whose text is the password and whose id is the user name. */
export interface ServiceLogin {
  readonly id: string;
  readonly username: string;
  readonly password: string;
}

/** Registers a device with a credential in the tables, as if over REST. */
export async function registerDevice({ sql, write }: Rows, id: string): Promise<DeviceLogin> {
  const [credentialId, secret] = [newKeyId(), newSecret()];
  const createdAt = Date.now();
  await write([
    sql.insertInto('devices').values({ id, link: 'native', created_at: createdAt }).compile(),
    sql
      .insertInto('credentials')
      .values({ id: credentialId, device_id: id, hash: hashOf(secret), created_at: createdAt, expires_at: null })
      .compile(),
  ]);
  return { id, credentialId, username: id, password: secret };
}

/** Makes an API key with these scopes; `expiresAt` in epoch milliseconds. */
export async function makeKey(
  { sql, write }: Rows,
  scopes: readonly string[],
  expiresAt: number | null = null,
): Promise<ServiceLogin> {
  const [id, secret] = [newKeyId(), newSecret()];
  await write([
    sql
      .insertInto('api_keys')
      .values({
        id,
        name: scopes.join(' '),
        scopes: JSON.stringify(scopes),
        tags: null,
        hash: hashOf(secret),
        created_at: Date.now(),
        created_by: 'test',
        expires_at: expiresAt,
      })
      .compile(),
  ]);
  return { id, username: id, password: apiKeyText(id, secret) };
}

/** Removes an API key, as if over REST. */
export async function removeKey({ sql, write }: Rows, id: string): Promise<void> {
  await write([sql.deleteFrom('api_keys').where('id', '=', id).compile()]);
}

/** How rows are written, and that keys are news. */
export interface Rows {
  readonly sql: Database['sql'];
  readonly write: (job: Parameters<Database['write']>[0]) => Promise<unknown>;
}

export function rowsOf(database: Database): Rows {
  return { sql: database.sql, write: (job) => database.write(job, { news: { topic: 'keys', detail: '' } }) };
}
