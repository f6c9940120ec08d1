import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { REJECT_CODES } from './sensor.errors.js';

describe('the codes of rejects', () => {
  it('are those of docs/telemetry.md, with the same meanings', () => {
    const page = readFileSync('docs/telemetry.md', 'utf8');
    const table = page.slice(page.indexOf('## Rejects'));
    const rows = [...table.matchAll(/^\| `([A-Z0-9_]+)` +\| (.*?) +\|$/gm)].map(([, code, meaning]) => [code, meaning]);
    expect(rows).toEqual(Object.entries(REJECT_CODES));
  });
});
