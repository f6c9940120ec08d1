import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The built file of a worker. Where the caller itself runs from TypeScript (in Jest), throws unless the build is there and
 * newer than the sources that workers are made of: a test must not pass or fail on code that is no longer there.
 */
export function workerUrl(name: 'writer' | 'reader'): URL {
  const url = new URL(import.meta.resolve(`#worker/storage/sqlite/${name}.worker.js`));
  if (import.meta.url.endsWith('.ts')) refuseStaleBuild(fileURLToPath(url));
  return url;
}

function refuseStaleBuild(worker: string): void {
  const dist = join(dirname(worker), '../..');
  const builtAt = statSync(join(dist, '.built'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  for (const folder of ['storage', 'common']) {
    const sources = join(dist, '../src', folder);
    for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || entry.name.endsWith('.spec.ts') || statSync(path).mtimeMs <= builtAt) continue;
      throw new Error(`dist/ is missing or older than ${path}: run npm run build`);
    }
  }
}
