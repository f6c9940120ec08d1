import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { get } from '../support/http.js';
import { spawnService, startAndEnd, startService, temporaryDirectory } from '../support/process.js';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  directory.remove();
});

async function takenPort(): Promise<{ readonly port: number; free(): Promise<void> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    free: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('A start', () => {
  it('tells mode, addresses, data directory, access and three next steps, and is ready', async () => {
    const signalbox = await startService(directory.path);
    const line = signalbox
      .output()
      .split('\n')
      .find((text) => text.includes('"ready"'))!;
    const ready = JSON.parse(line) as Record<string, unknown>;
    expect(ready).toMatchObject({
      mode: 'embedded broker, SQLite',
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      mqtt: expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:\d+$/),
      dataDir: join(directory.path, 'data'),
      access: expect.stringContaining('open'),
    });
    expect(ready['next']).toHaveLength(3);
    expect((await get(`${signalbox.httpUrl}/readyz`)).status).toBe(200);
    expect(statSync(join(directory.path, 'data')).mode & 0o777).toBe(0o700);
    expect(await signalbox.stop()).toBe(0);
  });

  it('prints the same for people where LOG_FORMAT is pretty', async () => {
    const { child, output } = spawnService(directory.path, { LOG_FORMAT: 'pretty' });
    const closed = once(child, 'close');
    child.stdout!.on('data', () => {
      if (output().includes('Next, in another terminal:')) child.kill('SIGTERM');
    });
    await closed;
    expect(output()).toMatch(
      /HTTP {5}http:\/\/127[^]*MQTT {5}mqtt:\/\/127[^]*Data [^]*Access[^]*mosquitto_pub [^]*curl /,
    );
  });

  it('with wrong settings lists all of them, opens nothing and ends with 78', async () => {
    const { code, output } = await startAndEnd(directory.path, {
      HTTP_PORT: 'x',
      MQTT_PORT: '99999',
      RETENTION_READINGS: 'hunter2',
    });
    expect(code).toBe(78);
    expect(output).toMatch(/3 wrong settings[^]*HTTP_PORT [^]*MQTT_PORT [^]*RETENTION_READINGS /);
    expect(output).not.toContain('hunter2');
  });

  it('warns of a misspelt setting and starts', async () => {
    const signalbox = await startService(directory.path, { HTPP_PORT: '1' });
    expect(signalbox.output()).toContain('did you mean HTTP_PORT?');
    expect(await signalbox.stop()).toBe(0);
  });

  it.each(['HTTP_PORT', 'MQTT_PORT'])(
    'on a taken %s says which port, who may hold it and what to change',
    async (variable) => {
      const taken = await takenPort();
      const { code, output } = await startAndEnd(directory.path, {
        [variable]: String(taken.port),
        LOG_LEVEL: 'fatal',
      });
      await taken.free();
      expect(code).toBe(1);
      expect(output).toContain(`${taken.port}`);
      expect(output).toContain(variable);
      expect(output).toMatch(/already taken|already in use/);
      expect(output).toMatch(/[Aa]nother Signalbox/);
      expect(output).not.toMatch(/^\s+at /m);
    },
  );

  it('in a data directory that is a file says so and what to do', async () => {
    writeFileSync(join(directory.path, 'file'), 'x');
    const { code, output } = await startAndEnd(directory.path, {
      DATA_DIR: join(directory.path, 'file'),
      LOG_LEVEL: 'fatal',
    });
    expect(code).toBe(1);
    expect(output).toContain(join(directory.path, 'file'));
    expect(output).toContain('DATA_DIR');
    expect(output).not.toMatch(/^\s+at /m);
  });

  it('below a path that cannot be created says so and what to do', async () => {
    writeFileSync(join(directory.path, 'file'), 'x');
    const { code, output } = await startAndEnd(directory.path, {
      DATA_DIR: join(directory.path, 'file/data'),
      LOG_LEVEL: 'fatal',
    });
    expect(code).toBe(1);
    expect(output).toContain('DATA_DIR');
  });

  it('in a directory that another Signalbox holds is refused, and the first one goes on', async () => {
    const first = await startService(directory.path);
    const { code, output } = await startAndEnd(directory.path, { LOG_LEVEL: 'fatal' });
    expect(code).toBe(1);
    expect(output).toContain(join(directory.path, 'data'));
    expect(output).toContain('DATA_DIR');
    expect((await get(`${first.httpUrl}/readyz`)).status).toBe(200);
    expect(await first.stop()).toBe(0);
  });

  it('after a kill -9 finds the directory free again', async () => {
    const first = await startService(directory.path);
    expect(await first.stop('SIGKILL')).toBe('SIGKILL');
    const second = await startService(directory.path);
    expect(await second.stop()).toBe(0);
  });

  it('reads .env.local of its directory', async () => {
    writeFileSync(join(directory.path, '.env.local'), 'TOPIC_PREFIX=site/one\nLOG_LEVEL=nonsense\n');
    const { code, output } = await startAndEnd(directory.path, {});
    expect([code, output.includes('LOG_LEVEL')]).toEqual([78, true]);
  });
});
