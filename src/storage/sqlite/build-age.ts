import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A file below `folders` (specs aside) that is newer than the build in `dist`, or null. Any will do where there is no build. */
export function newerSource(dist: string, folders: readonly string[]): string | null {
  const builtAt = statSync(join(dist, '.built'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  for (const folder of folders) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !entry.name.endsWith('.spec.ts') && statSync(path).mtimeMs > builtAt) return path;
    }
  }
  return null;
}
