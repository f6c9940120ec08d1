// Builds src/ into dist/. With --if-stale only where a source is newer than the last build, so that `npm start` works on a
// fresh clone and every later start is quick. The new build replaces the old one whole, so a running start never sees half.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const stamp = '.built';

function newestSource() {
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const settings = ['package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name));
  return Math.max(...[...sources, ...settings].map((path) => statSync(path).mtimeMs));
}

if (process.argv.includes('--if-stale')) {
  if (existsSync(join(dist, stamp)) && statSync(join(dist, stamp)).mtimeMs >= newestSource()) process.exit(0);
  process.stderr.write('Building ...\n');
}
const startedAt = new Date();
const fresh = `${dist}.${process.pid}`;
try {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], {
    cwd: root,
    stdio: 'inherit',
  });
} catch {
  rmSync(fresh, { recursive: true, force: true });
  process.stderr.write('The build failed; see the messages above.\n');
  process.exit(1);
}
// The stamp carries the time at which the build began: what was saved meanwhile counts as newer.
writeFileSync(join(fresh, stamp), '');
utimesSync(join(fresh, stamp), startedAt, startedAt);
rmSync(dist, { recursive: true, force: true });
renameSync(fresh, dist);
