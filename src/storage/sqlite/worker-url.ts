import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newerSource } from './build-age.js';

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
  const source = newerSource(dist, [join(dist, '../src/storage'), join(dist, '../src/common')]);
  if (source) throw new Error(`dist/ is missing or older than ${source}: run npm run build`);
}
