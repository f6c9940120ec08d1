import { exitCodeOf, harmless, type Service, table } from './service.js';

interface Key {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tags: Readonly<Record<string, string>> | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** What a key is to be. `expiresAt`: RFC 3339, or null. */
export interface NewKey {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tags: Readonly<Record<string, string>> | null;
  readonly expiresAt: string | null;
}

/** Makes a key and prints it alone on standard output, the rest on standard error. Returns the exit code. */
export function createKey(service: Service, url: string, asked: NewKey, json: boolean): Promise<number> {
  return exitCodeOf(url, async () => {
    const { name, scopes, tags, expiresAt } = asked;
    const body = { name, scopes, ...(tags && { tags }), ...(expiresAt !== null && { expiresAt }) };
    const made = await service.call<Key & { readonly key: string }>('POST', '/v1/api-keys', body);
    if (json) {
      process.stdout.write(`${JSON.stringify(made)}\n`);
      return;
    }
    process.stderr.write(`Key ${made.id} for ${harmless(made.name)}. It is shown only now:\n`);
    process.stdout.write(`${made.key}\n`);
  });
}

/** Prints all keys, never their secrets. Returns the exit code. */
export function listKeys(service: Service, url: string, json: boolean): Promise<number> {
  return exitCodeOf(url, async () => {
    const keys: Key[] = [];
    for await (const key of service.all<Key>('/v1/api-keys', new URLSearchParams())) keys.push(key);
    if (json) {
      process.stdout.write(keys.map((key) => `${JSON.stringify(key)}\n`).join(''));
      return;
    }
    const rows = keys.map(({ id, name, scopes, tags, createdAt, expiresAt }) => [
      id,
      harmless(name),
      scopes.join(','),
      Object.entries(tags ?? {})
        .map(([key, value]) => harmless(`${key}:${value}`))
        .join(','),
      createdAt,
      expiresAt ?? 'never',
    ]);
    process.stdout.write(table(['ID', 'NAME', 'SCOPES', 'TAGS', 'CREATED', 'EXPIRES'], rows));
  });
}

/** Revokes a key. Returns the exit code. */
export function revokeKey(service: Service, url: string, id: string): Promise<number> {
  return exitCodeOf(url, async () => {
    await service.call('DELETE', `/v1/api-keys/${encodeURIComponent(id)}`);
    process.stdout.write(`${harmless(id)}: revoked\n`);
  });
}
