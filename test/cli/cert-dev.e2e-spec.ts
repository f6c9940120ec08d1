import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { startService, temporaryDirectory } from '../support/process.js';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

function certDev(...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const env = { PATH: process.env['PATH'], DATA_DIR: join(directory.path, 'data') };
  const command = [resolve('dist/cli/signalbox.js'), 'cert', 'dev', ...args];
  // An umask that would let everybody read.
  const shell = ['-c', 'umask 0; exec "$0" "$@"', process.execPath, ...command];
  const child = spawnSync('/bin/sh', shell, { cwd: directory.path, env, encoding: 'utf8' });
  return { code: child.status, stdout: child.stdout, stderr: child.stderr };
}

const at = (name: string): string => join(directory.path, 'data/certs', name);
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
const mode = (path: string): number => statSync(path).mode & 0o777;

describe('signalbox cert dev', () => {
  it('makes a CA and a server certificate that OpenSSL accepts for every name of this machine and those given', () => {
    expect(certDev('--host', 'box.lan', '--host', '192.0.2.7')).toMatchObject({ code: 0, stderr: '' });
    const verify = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', at('ca.pem')];
    for (const name of ['localhost', 'box.lan']) {
      expect(openssl(...verify, '-verify_hostname', name, at('server.pem'))).toMatch(/: OK\n$/);
    }
    for (const ip of ['127.0.0.1', '::1', '192.0.2.7']) {
      expect(openssl(...verify, '-verify_ip', ip, at('server.pem'))).toMatch(/: OK\n$/);
    }
    expect(() => openssl(...verify, '-verify_hostname', 'other.lan', at('server.pem'))).toThrow();
    const asDevice = ['verify', '-purpose', 'sslclient', '-CAfile', at('ca.pem'), at('server.pem')];
    expect(() => openssl(...asDevice)).toThrow();
  });

  it('makes client certificates whose CN is the device id, with the same CA each time', () => {
    expect(certDev('--device', 'pump-1').code).toBe(0);
    const ca = readFileSync(at('ca.pem'), 'utf8');
    const server = readFileSync(at('server.pem'), 'utf8');
    expect(certDev('--device', 'site:a.2', '--device', 'pump-3').code).toBe(0);
    expect(readFileSync(at('ca.pem'), 'utf8')).toBe(ca);
    expect(readFileSync(at('server.pem'), 'utf8')).toBe(server);
    for (const id of ['pump-1', 'site:a.2', 'pump-3']) {
      const certificate = at(`device-${id}.pem`);
      const verify = ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', at('ca.pem'), certificate];
      expect(openssl(...verify)).toMatch(/: OK\n$/);
      expect(openssl('x509', '-in', certificate, '-noout', '-subject')).toBe(`subject=CN = ${id}\n`);
    }
  });

  it('writes keys that only their owner can read, into a directory that only its owner can enter', () => {
    certDev('--device', 'pump-1');
    expect(mode(at('.'))).toBe(0o700);
    for (const name of ['ca.key', 'server.key', 'device-pump-1.key'])
      expect([name, mode(at(name))]).toEqual([name, 0o600]);
    for (const name of ['ca.pem', 'server.pem']) expect([name, mode(at(name))]).toEqual([name, 0o644]);
  });

  it('replaces nothing without --force, and never the CA', () => {
    certDev('--device', 'pump-1');
    const names = ['ca.pem', 'ca.key', 'server.pem', 'server.key', 'device-pump-1.pem', 'device-pump-1.key'];
    const contents = () => Object.fromEntries(names.map((name) => [name, readFileSync(at(name), 'utf8')]));
    const before = contents();
    for (const args of [[], ['--device', 'pump-1'], ['--device', 'pump-2', '--host', 'box.lan']]) {
      const { code, stdout, stderr } = certDev(...args);
      expect([args, code, stdout]).toEqual([args, 1, '']);
      expect(stderr).toContain('--force');
    }
    expect(contents()).toEqual(before);
    expect(existsSync(at('device-pump-2.pem'))).toBe(false);
    expect(certDev('--device', 'pump-1', '--host', 'box.lan', '--force').code).toBe(0);
    const after = contents();
    for (const name of names) expect([name, after[name] === before[name]]).toEqual([name, name.startsWith('ca.')]);
    expect(mode(at('server.key'))).toBe(0o600);
  });

  it('follows no link, with --force neither', () => {
    mkdirSync(at('.'), { recursive: true });
    const victim = join(directory.path, 'victim');
    symlinkSync(victim, at('server.key'));
    expect(certDev().code).toBe(1);
    expect(existsSync(victim)).toBe(false);
    writeFileSync(victim, 'precious');
    expect(certDev('--force').code).toBe(0);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(at('server.key')).isFile()).toBe(true);
  });

  it('refuses half a CA, a device id and a host that are none, and says what to do', () => {
    certDev();
    writeFileSync(at('ca.key'), 'not a key');
    const { code, stderr } = certDev('--device', 'pump-1');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/ca\.key cannot be used[^]*move both away/)]);
    expect(existsSync(at('device-pump-1.key'))).toBe(false);
    for (const wrong of [['--device', '../x'], ['--host', 'a b'], ['--host', '999.1.1.1/x'], ['--what']]) {
      expect([wrong, certDev(...wrong).code]).toEqual([wrong, 2]);
    }
  });

  it('says where it cannot write, and names --out', () => {
    writeFileSync(join(directory.path, 'file'), '');
    const { code, stderr } = certDev('--out', join(directory.path, 'file/certs'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('--out')]);
  });

  it('prints the settings with which devices and programs reach a service over TLS as it says', async () => {
    const out = join(directory.path, "it's here");
    const { stdout } = certDev('--out', out, '--device', 'pump-1');
    const settings = parseEnv(
      stdout
        .split('\n')
        .filter((line) => /^[A-Z_]+=/.test(line))
        .join('\n'),
    ) as Record<string, string>;
    expect(Object.keys(settings).toSorted()).toEqual([
      'HTTP_TLS_CERT',
      'HTTP_TLS_KEY',
      'MQTT_TLS_CA',
      'MQTT_TLS_CERT',
      'MQTT_TLS_KEY',
      'MQTT_TLS_PORT',
    ]);
    const signalbox = await startService(directory.path, { ...settings, MQTT_TLS_PORT: '0' });
    const ready = signalbox
      .output()
      .split('\n')
      .find((line) => line.includes('"msg":"ready"'))!;
    const { http, mqtts } = JSON.parse(ready) as { http: string; mqtts: string };
    const run = (line: string): string => execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8', stdio: 'pipe' });
    const lines = stdout.split('\n');
    const publish = lines.find((line) => line.startsWith('mosquitto_pub '))!;
    run(publish.replace(' -p 8883 ', ` -p ${new URL(mqtts).port} `));
    const curl = lines.find((line) => line.startsWith('curl '))!;
    expect(run(curl.replace(/https:.*/, `-s ${http.replace('127.0.0.1', 'localhost')}/sensors`))).toContain('21.5');
    expect(await signalbox.stop()).toBe(0);
  });
});
