import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newerSource } from './build-age.js';

describe('the age of the build', () => {
  let root: string;
  const write = (path: string, seconds: number) => {
    writeFileSync(join(root, path), '');
    utimesSync(join(root, path), seconds, seconds);
  };
  const newer = () => newerSource(join(root, 'dist'), [join(root, 'src')]);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'signalbox-test-'));
    mkdirSync(join(root, 'dist'));
    mkdirSync(join(root, 'src/deep'), { recursive: true });
    write('src/deep/a.ts', 1_000);
  });

  afterEach(() => rmSync(root, { recursive: true }));

  it('is too old where a source was saved after the build began', () => {
    write('dist/.built', 1_001);
    expect(newer()).toBeNull();
    write('src/deep/a.ts', 1_002);
    expect(newer()).toBe(join(root, 'src/deep/a.ts'));
  });

  it('is too old where there is no build', () => {
    expect(newer()).toBe(join(root, 'src/deep/a.ts'));
  });

  it('does not depend on specs, which are not built', () => {
    write('dist/.built', 1_001);
    write('src/a.spec.ts', 1_002);
    expect(newer()).toBeNull();
  });
});
