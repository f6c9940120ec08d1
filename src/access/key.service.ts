import { Injectable } from '@nestjs/common';
import type { Actor, Tags } from '../common/access.js';
import { type CursorScope, decodeCursor, type Page, pageOf } from '../common/cursor.js';
import { HttpErrors } from '../common/http.errors.js';
import { apiKeyText, hashOf, newKeyId, newSecret } from '../common/secrets.js';
import { AccessMode } from '../config/access.mode.js';
import { AccessErrors } from './access.errors.js';
import type { ApiKey } from './key.js';
import { KeyRepository, MAX_KEYS } from './key.repository.js';
import { type KeyResource, keyResource } from './key.resource.js';

/** What a new key is to be. `expiresAt` in epoch milliseconds, in the future. */
export interface NewKey {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tags: Tags | null;
  readonly expiresAt: number | null;
}

/** Scopes of more than devices: of no use to tags, so a key with tags cannot have them. */
const BEYOND_DEVICES = new Set(['messages:read', 'mqtt:publish', 'webhooks:manage', 'metrics:read', 'admin']);
const LIST: CursorScope = { list: 'api-keys' };

/** API keys, for those who administer. */
@Injectable()
export class KeyService {
  constructor(
    private readonly keys: KeyRepository,
    private readonly mode: AccessMode,
  ) {}

  /** The new key, and its text, which nobody is told again. Throws OPEN_MODE (409), VALIDATION_FAILED, TOO_MANY_KEYS. */
  async create(asked: NewKey, actor: Actor): Promise<{ readonly key: ApiKey; readonly text: string }> {
    if (!this.mode.required) {
      throw HttpErrors.OPEN_MODE('Nobody needs a key in open mode. Set ACCESS=required first.', { status: 409 });
    }
    refuseTooWide(asked);
    refuseThePast(asked);
    const [id, secret] = [newKeyId(), newSecret()];
    const key = { ...asked, id, hash: hashOf(secret), createdAt: Date.now(), createdBy: actor.id };
    if (!(await this.keys.create(key, actor))) {
      throw AccessErrors.TOO_MANY_KEYS(`There are ${MAX_KEYS} keys. Revoke those that have expired or are not used.`);
    }
    return { key, text: apiKeyText(id, secret) };
  }

  /** Newest first, expired ones included. Throws BAD_CURSOR, CURSOR_MISMATCH. */
  async list(limit: number, cursor: string | null): Promise<Page<KeyResource>> {
    const [createdAt, id] = cursor === null ? [] : decodeCursor(cursor, LIST);
    const after = id === undefined ? null : { createdAt: Number(createdAt), id: String(id) };
    const rows = await this.keys.page(limit + 1, after);
    return pageOf(rows, limit, LIST, (key) => [key.createdAt, key.id], keyResource);
  }

  /** Throws KEY_UNKNOWN. */
  async get(id: string): Promise<ApiKey> {
    const key = isKeyId(id) ? await this.keys.find(id) : null;
    if (!key) throw unknown();
    return key;
  }

  /** Revokes the key; its sessions and connections end. Throws KEY_UNKNOWN, LAST_ADMIN_KEY. */
  async revoke(id: string, actor: Actor): Promise<void> {
    await this.get(id);
    if (await this.keys.remove(id, actor)) return;
    // Not the last one, but gone, where somebody else was faster.
    await this.get(id);
    throw AccessErrors.LAST_ADMIN_KEY(
      'This is the last key with the scope admin that never expires. Make another such key first, and revoke this one with it.',
    );
  }
}

function refuseTooWide({ scopes, tags }: NewKey): void {
  const beyond = tags === null ? [] : scopes.filter((scope) => BEYOND_DEVICES.has(scope));
  if (beyond.length === 0) return;
  const detail = `A key that is limited to devices cannot have ${beyond.join(', ')}: these reach beyond devices`;
  throw HttpErrors.VALIDATION_FAILED(`${detail}.`, { errors: [{ pointer: '/scopes', detail, code: 'TOO_WIDE' }] });
}

function refuseThePast({ expiresAt }: NewKey): void {
  if (expiresAt === null || expiresAt > Date.now()) return;
  const detail = 'expiresAt must be in the future';
  throw HttpErrors.VALIDATION_FAILED(detail, { errors: [{ pointer: '/expiresAt', detail, code: 'IN_THE_PAST' }] });
}

/** Other texts, such as one with a NUL, are nothing for a database. */
function isKeyId(id: string): boolean {
  return /^[A-Za-z0-9]{16}$/.test(id);
}

function unknown(): Error {
  return AccessErrors.KEY_UNKNOWN('There is no API key with this id.');
}
