import { describe, expect, it } from '@jest/globals';
import { accessText, loginOption } from './app.access.js';

describe('What a start says of access', () => {
  it.each([
    [false, { kind: 'none' }, false, 'open: this machine only, no keys'],
    [false, { kind: 'none' }, true, 'open: HTTP on this machine only, no keys; MQTT as the broker lets clients in'],
    [true, { kind: 'file', path: '/d/admin.key', made: 'sbx_x' }, false, 'required; the admin key is in /d/admin.key'],
    [true, { kind: 'setting' }, false, 'required; the admin key is that of ADMIN_KEY'],
    [true, { kind: 'elsewhere' }, true, expect.stringMatching(/made earlier.*ADMIN_KEY.*MQTT as the broker/)],
  ] as const)('required: %j, key: %j, external broker: %j', (required, place, external, text) => {
    expect(accessText(required, place, external)).toEqual(text);
  });

  it('logs in where that is needed, with the file or with what somebody has in ADMIN_KEY', () => {
    expect(loginOption(false, { kind: 'none' })).toBe('');
    expect(loginOption(true, { kind: 'elsewhere' })).toBe(' -H "Authorization: Bearer $ADMIN_KEY"');
    expect(loginOption(true, { kind: 'file', path: '/d/admin.key', made: null })).toContain("$(cat '/d/admin.key')");
  });
});
