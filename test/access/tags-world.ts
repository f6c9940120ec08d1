import type { Tags } from '../../src/common/access.js';
import { newId } from '../../src/common/ids.js';
import { apiKeyText, hashOf, newKeyId, newSecret } from '../../src/common/secrets.js';
import { KeyRepository } from '../../src/access/key.repository.js';
import { KeyRing } from '../../src/access/key-ring.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Answer, get, post } from '../support/http.js';

/** A login as it stands in the header Authorization. */
export interface Login {
  readonly id: string;
  readonly secret: string;
  readonly authorization: string;
}

export interface KeyGrant {
  readonly tags?: Tags | null;
  readonly expiresAt?: number | null;
}

const TEST = { id: 'test', ip: null, requestId: null };

/** Signalbox in required mode, with keys and devices made behind its back, so that a test needs no other routes than those it is about. */
export class TagWorld {
  private constructor(readonly signalbox: TestApp) {}

  static async start(
    settings: Record<string, string> = {},
    prepare?: Parameters<typeof createTestApp>[3],
  ): Promise<TagWorld> {
    const required = { ACCESS: 'required', DEVICE_REGISTRATION: 'open', MQTT_DEVICE_RATE: '0', HTTP_KEY_RATE: '0' };
    return new TagWorld(await createTestApp({ ...required, ...settings }, undefined, {}, prepare));
  }

  async stop(): Promise<void> {
    await this.signalbox.close();
  }

  /** A key with these scopes; `tags`: limited to devices that carry them. */
  async key(scopes: readonly string[], { tags = null, expiresAt = null }: KeyGrant = {}): Promise<Login> {
    const [id, secret] = [newKeyId(), newSecret()];
    const kept = {
      id,
      name: 'test',
      scopes,
      tags,
      hash: hashOf(secret),
      createdAt: Date.now(),
      createdBy: 'test',
      expiresAt,
    };
    await this.keys.create(kept, TEST);
    return { id, secret, authorization: `Bearer ${apiKeyText(id, secret)}` };
  }

  async revoke({ id }: Login): Promise<void> {
    await this.keys.remove(id, TEST);
  }

  /** Gives a key other tags, as no route does. */
  async limit({ id }: Login, tags: Tags | null): Promise<void> {
    const { database } = this.signalbox;
    const change = database.sql
      .updateTable('api_keys')
      .set({ tags: tags && JSON.stringify(tags) })
      .where('id', '=', id);
    await database.write([change.compile()], { news: { topic: 'keys', detail: id } });
    const text = JSON.stringify(tags);
    await eventually('the limit is known', async () => JSON.stringify((await this.ring.get(id))?.tags) === text);
  }

  /** Registers a device, or gives the one that there is these tags. */
  async device(tags: Tags, id = `device-${newId()}`): Promise<string> {
    const { database } = this.signalbox;
    const { sql } = database;
    const row = { id, link: 'native' as const, created_at: Date.now() };
    await database.write([
      sql
        .insertInto('devices')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .compile(),
      sql.deleteFrom('device_tags').where('device_id', '=', id).compile(),
      ...Object.entries(tags).map(([key, value]) =>
        sql.insertInto('device_tags').values({ device_id: id, key, value }).compile(),
      ),
    ]);
    return id;
  }

  /** A credential for a device. */
  async credential(deviceId: string): Promise<Login> {
    const [id, secret] = [newKeyId(), newSecret()];
    const row = { id, device_id: deviceId, hash: hashOf(secret), created_at: Date.now(), expires_at: null };
    const { database } = this.signalbox;
    await database.write([database.sql.insertInto('credentials').values(row).compile()]);
    return { id, secret, authorization: basic(deviceId, secret) };
  }

  get<T = unknown>(login: Login, path: string): Promise<Answer<T>> {
    return get<T>(this.signalbox.httpUrl + path, { authorization: login.authorization });
  }

  post<T = unknown>(
    login: Login,
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return post<T>(this.signalbox.httpUrl + path, body, { authorization: login.authorization, ...headers });
  }

  private get ring(): KeyRing {
    return this.signalbox.app.get(KeyRing, { strict: false });
  }

  private get keys(): KeyRepository {
    return this.signalbox.app.get(KeyRepository, { strict: false });
  }
}

/** A login with HTTP Basic. */
export function basic(user: string, secret: string): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}
