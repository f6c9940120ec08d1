import { createHash, randomInt, timingSafeEqual } from 'node:crypto';

const BASE62 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 16;
/** 256 bits. */
const SECRET_LENGTH = 43;
const API_KEY = /^sbx_([A-Za-z0-9]{16})_([A-Za-z0-9]{43})$/;

/** 16 random characters of base62 that name a key or a credential. */
export function newKeyId(): string {
  return random(ID_LENGTH);
}

/** 43 random characters of base62 (256 bits). */
export function newSecret(): string {
  return random(SECRET_LENGTH);
}

/** How an API key is written: `sbx_<id>_<secret>`. */
export function apiKeyText(id: string, secret: string): string {
  return `sbx_${id}_${secret}`;
}

/** The parts of an API key, or null where it has another form. */
export function readApiKey(text: string): { readonly id: string; readonly secret: string } | null {
  const [, id, secret] = API_KEY.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** What is kept of a secret: SHA-256, in base64url. Enough because secrets are 256 random bits, and never a person's password. */
export function hashOf(secret: string | Uint8Array): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** True where `hash` is that of the secret. Takes as long for any two hashes (of one length), wherever they differ. */
export function isHashOf(hash: string, secret: string | Uint8Array): boolean {
  const [kept, given] = [Buffer.from(hash), Buffer.from(hashOf(secret))];
  return kept.length === given.length && timingSafeEqual(kept, given);
}

const SECRETS = new RegExp(`(?<![A-Za-z0-9])[A-Za-z0-9]{${SECRET_LENGTH}}(?![A-Za-z0-9])`, 'g');

/** The text with `***` for everything in it that has the form of a secret of ours. For what callers send and others may read. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(SECRETS, '***');
}

/** A hash that no secret has: compared with where there is none, so that it takes as long. */
export const NO_HASH = '-'.repeat(43);

function random(length: number): string {
  return Array.from({ length }, () => BASE62[randomInt(BASE62.length)]).join('');
}
