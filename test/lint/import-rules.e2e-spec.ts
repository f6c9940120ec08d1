import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const FORBIDDEN: readonly (readonly [file: string, specifier: string])[] = [
  ['src/common/a.ts', '../config/http.config.js'],
  ['src/common/b.ts', '../storage/database.js'],
  ['src/config/a.ts', '../storage/database.js'],
  ['src/config/b.ts', '../sensor/sensor.service.js'],
  ['src/storage/a.ts', '../mqtt/link.js'],
  ['src/storage/b.ts', '../sensor/sensor.service.js'],
  ['src/storage/sqlite/a.ts', '../../mqtt/link.js'],
  ['src/storage/c.ts', 'mqtt'],
  ['src/mqtt/a.ts', '../storage/database.js'],
  ['src/mqtt/embedded/a.ts', '../../storage/database.js'],
  ['src/mqtt/b.ts', '../control/control.service.js'],
  ['src/mqtt/c.ts', 'better-sqlite3'],
  ['src/mqtt/d.ts', '../app.setup.js'],
  ['src/sensor/a.ts', '../control/command.repository.js'],
  ['src/sensor/b.ts', '../device/device.repository.js'],
  ['src/sensor/c.ts', '../cli/signalbox.js'],
  ['src/control/a.ts', 'aedes'],
  ['src/control/b.ts', 'mqtt-packet'],
  ['src/control/c.ts', 'pg'],
  ['src/message/a.ts', '../sensor/reject.repository.js'],
  ['src/openapi/a.ts', '../access/session.cookie.js'],
  ['src/health/a.ts', '../openapi/openapi.document.js'],
  ['src/config/c.ts', '../openapi/openapi.service.js'],
  ['src/cli/a.ts', 'better-sqlite3'],
  ['src/a.ts', '../web/index.js'],
];

const ALLOWED: readonly (readonly [file: string, specifier: string])[] = [
  ['src/storage/z.ts', 'better-sqlite3'],
  ['src/mqtt/z.ts', 'aedes'],
  ['src/sensor/y.ts', '../device/device.service.js'],
  ['src/sensor/z.ts', '../device/device.module.js'],
  ['src/sensor/x.ts', '../storage/database.js'],
  ['src/cli/z.ts', 'mqtt'],
];

let directory: string;
let output: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-lint-'));
  copyFileSync('.oxlintrc.json', join(directory, '.oxlintrc.json'));
  for (const [file, specifier] of [...FORBIDDEN, ...ALLOWED]) {
    const path = join(directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `import { thing } from '${specifier}';\nexport const used = thing;\n`);
  }
  writeFileSync(join(directory, 'src/common/cycle-a.ts'), "import { b } from './cycle-b.js';\nexport const a = b;\n");
  writeFileSync(join(directory, 'src/common/cycle-b.ts'), "import { a } from './cycle-a.js';\nexport const b = a;\n");
  const oxlint = resolve('node_modules/.bin/oxlint');
  output = spawnSync(oxlint, ['--format', 'unix'], { cwd: directory, encoding: 'utf8' }).stdout;
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function complaints(file: string, rule: string): string[] {
  return output.split('\n').filter((line) => line.includes(`${file}:`) && line.includes(rule));
}

describe('The import rules', () => {
  it.each(FORBIDDEN)('refuse that %s imports %s', (file) => {
    expect(complaints(file, 'no-restricted-imports')).toHaveLength(1);
  });

  it.each(ALLOWED)('accept that %s imports %s', (file) => {
    expect(complaints(file, 'no-restricted-imports')).toHaveLength(0);
  });

  it('refuse an import cycle', () => {
    expect(complaints('src/common/cycle-a.ts', 'no-cycle').length).toBeGreaterThan(0);
  });
});
