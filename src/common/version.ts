import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly name: string;
  readonly version: string;
};

/** Name and version of this program, from its package.json. */
export const NAME = manifest.name;
export const VERSION = manifest.version;
