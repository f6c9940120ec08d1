import { KeyRing } from '../../src/access/key-ring.js';
import { apiKeyText, hashOf, newKeyId, newSecret } from '../../src/common/secrets.js';
import type { Statement } from '../../src/storage/database.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Answer, post } from '../support/http.js';

/** What the broker says to be answered (MQTT_AUTH_SECRET). */
export const SECRET = 'what-the-broker-says-of-itself';

/** An application that brokers ask, and rows of its registry. */
export interface BrokerBox extends TestApp {
  /** Asks as a broker with the right secret would. */
  auth(body: unknown): Promise<Answer<BrokerAnswer>>;
  acl(body: unknown): Promise<Answer<BrokerAnswer>>;
  /** Makes a device with a credential; resolves with its secret. */
  device(id: string, row?: { readonly enabled?: number; readonly approved?: number }): Promise<string>;
  /** Makes an API key; resolves with its id and text. */
  key(scopes: readonly string[], row?: KeyRow): Promise<{ readonly id: string; readonly text: string }>;
  write(...job: Statement[]): Promise<void>;
}

interface KeyRow {
  readonly tags?: Readonly<Record<string, string>>;
  readonly expiresAt?: number;
}

/** What a broker gets, in the form of EMQX. */
export interface BrokerAnswer {
  readonly result: string;
  readonly is_superuser?: boolean;
  readonly acl?: readonly { readonly permission: string; readonly action: string; readonly topic: string }[];
  readonly expire_at?: number;
}

export async function startBrokerBox(settings: Record<string, string> = {}): Promise<BrokerBox> {
  const box = await createTestApp({ ACCESS: 'required', MQTT_AUTH_SECRET: SECRET, ...settings });
  const { sql } = box.database;
  const ask = (path: string) => (body: unknown) =>
    post<BrokerAnswer>(`${box.httpUrl}/internal/mqtt/${path}`, body, { authorization: `Bearer ${SECRET}` });
  const write = async (...job: Statement[]): Promise<void> => {
    await box.database.write(job);
  };
  return {
    ...box,
    auth: ask('auth'),
    acl: ask('acl'),
    write,
    device: async (id, row = {}) => {
      const secret = newSecret();
      const at = Date.now();
      const credential = { id: newKeyId(), device_id: id, hash: hashOf(secret), created_at: at, expires_at: null };
      await write(
        sql
          .insertInto('devices')
          .values({ id, link: 'native', created_at: at, ...row })
          .compile(),
        sql.insertInto('credentials').values(credential).compile(),
      );
      return secret;
    },
    key: async (scopes, { tags, expiresAt } = {}) => {
      const [id, secret] = [newKeyId(), newSecret()];
      const values = {
        id,
        name: 'test',
        scopes: JSON.stringify(scopes),
        tags: tags ? JSON.stringify(tags) : null,
        hash: hashOf(secret),
        created_at: Date.now(),
        created_by: 'test',
        expires_at: expiresAt ?? null,
      };
      const news = { topic: 'keys', detail: id } as const;
      await box.database.write([sql.insertInto('api_keys').values(values).compile()], { news });
      // The news comes at once, but not before the commit has been answered.
      const isKnown = async () => (await box.app.get(KeyRing).list()).some((key) => key.id === id);
      await eventually('the key is known', isKnown);
      return { id, text: apiKeyText(id, secret) };
    },
  };
}
