import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connectAsync } from 'mqtt';
import { readApiKey } from '../../src/common/secrets.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { endWithUs } from '../support/guard.mjs';

const PROGRAM = resolve('dist/cli/signalbox.js');
const keyFile = join(tmpdir(), `signalbox-cli-key-${process.pid}`);

let signalbox: RequiredApp;
beforeAll(async () => {
  signalbox = await startRequired();
  writeFileSync(keyFile, `${signalbox.adminKey}\n`, { mode: 0o600 });
});
afterAll(async () => {
  rmSync(keyFile, { force: true });
  await signalbox.close();
});

/** Runs the program against the service, with the admin key unless the environment says otherwise. */
async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const env = { ...process.env, SIGNALBOX_URL: signalbox.httpUrl, SIGNALBOX_KEY: signalbox.adminKey, ...environment };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env });
  endWithUs(child);
  const printed = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { ...printed, code };
}

const logIn = (id: string, password: string) =>
  connectAsync(signalbox.mqttUrl, { clientId: id, username: id, password, reconnectPeriod: 0 });

describe('signalbox device', () => {
  it('create registers a device, and prints its credential alone, which lets it in', async () => {
    const { out, err, code } = await run(['device', 'create', 'pump-1', '--name', 'Pump', '--tag', 'site:north']);
    expect([code, err]).toEqual([0, 'pump-1 is registered. Its credential is shown only now:\n']);
    const client = await logIn('pump-1', out.trim());
    await client.endAsync();
    const again = await run(['device', 'create', 'pump-1']);
    expect([again.code, again.out]).toEqual([1, '']);
    expect(again.err).toMatch(/^DEVICE_EXISTS: /);
  });

  it('list shows what matches, as a table or one JSON object a line', async () => {
    await run(['device', 'create', 'pump-2', '--type', 'pump', '--tag', 'site:south', '--tag', 'floor:1']);
    const { out } = await run(['device', 'list', '--tag', 'site:south']);
    expect(out).toMatch(/^ID +NAME +TYPE +STATE +LAST SEEN\npump-2 +pump +\w+ +never\n$/);
    const lines = (await run(['device', 'list', '--q', 'UMP-2', '--json'])).out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['pump-2']);
  });

  it('rotate gives a new credential; without an overlap the old one is over', async () => {
    const first = (await run(['device', 'create', 'pump-3'])).out.trim();
    const { out, code } = await run(['device', 'rotate', 'pump-3', '--overlap', '0s']);
    expect(code).toBe(0);
    const client = await logIn('pump-3', out.trim());
    await client.endAsync();
    await expect(logIn('pump-3', first)).rejects.toThrow('Connection refused');
  });
});

describe('signalbox key', () => {
  it('create prints the key alone, which does what it may until it is revoked', async () => {
    const { out, err, code } = await run(['key', 'create', 'reader', '--scope', 'devices:read', '--expires', '30d']);
    const key = out.trim();
    const { id } = readApiKey(key)!;
    expect([code, err]).toEqual([0, `Key ${id} for reader. It is shown only now:\n`]);
    const reader = { SIGNALBOX_KEY: key };
    expect((await run(['device', 'list'], reader)).code).toBe(0);
    const forbidden = await run(['device', 'create', 'x'], reader);
    expect([forbidden.code, forbidden.err]).toEqual([1, expect.stringMatching(/^FORBIDDEN: /)]);
    expect((await run(['key', 'list'])).out).toMatch(new RegExp(`^${id} +reader +devices:read +\\S+ +\\S+$`, 'm'));
    expect(await run(['key', 'revoke', id])).toEqual({ code: 0, out: `${id}: revoked\n`, err: '' });
    const refused = await run(['device', 'list'], reader);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^UNAUTHORIZED: .*\nSet SIGNALBOX_KEY, or name a file with --key-file/);
  });

  it('comes from a file too', async () => {
    const options = ['device', 'list', '--key-file'];
    expect((await run([...options, keyFile], { SIGNALBOX_KEY: '' })).code).toBe(0);
    const missing = await run([...options, `${keyFile}.missing`], { SIGNALBOX_KEY: '' });
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('It cannot be read (ENOENT)')]);
  });

  it('is refused for wrong options, and tells where nothing answers', async () => {
    expect((await run(['key', 'create', 'nothing'])).code).toBe(2);
    expect((await run(['key', 'create', 'x', '--scope', 'devices:read', '--expires', 'soon'])).code).toBe(2);
    const away = await run(['key', 'list'], { SIGNALBOX_URL: 'http://127.0.0.1:1' });
    expect(away.code).toBe(69);
    expect(away.err).toMatch(/^Nothing answered at http:\/\/127.0.0.1:1/);
  });
});

describe('signalbox command send', () => {
  it('logs in with the key', async () => {
    await run(['device', 'create', 'pump-4']);
    const sent = await run(['command', 'send', 'pump-4', 'STOP']);
    expect([sent.code, sent.out]).toEqual([0, expect.stringContaining('pump-4: PENDING')]);
    const { code, out } = await run(['command', 'send', 'pump-4', 'STOP', '--retry-for', '1s'], { SIGNALBOX_KEY: '' });
    expect([code, out]).toEqual([1, expect.stringContaining('UNAUTHORIZED')]);
  });
});
