import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { type Service, startAndEnd, startService, temporaryDirectory } from '../support/process.js';
import { describeWith, freePort, type Mosquitto, startMosquitto } from '../support/services.js';

const SECRET = 'open-sesame';

describeWith(['mosquitto', 'postgres'], 'A start with a broker or a database elsewhere', () => {
  const files = temporaryDirectory();
  let postgres: Postgres;
  let mosquitto: Mosquitto;
  beforeAll(async () => {
    const rules = join(files.path, 'pg_hba.conf');
    writeFileSync(rules, 'host all gateway 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n');
    chmodSync(files.path, 0o755);
    postgres = await startPostgres({ hba_file: rules });
    await query(postgres.url('postgres'), `create role gateway login password '${SECRET}'`);
    await query(postgres.url('postgres'), 'create database box owner gateway');
    mosquitto = await startMosquitto({ login: { username: 'gateway', password: SECRET } });
  }, 60_000);
  afterAll(async () => {
    await postgres?.remove();
    await mosquitto?.stop();
    files.remove();
  });

  let directory: ReturnType<typeof temporaryDirectory>;
  let signalbox: Service | undefined;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(async () => {
    await signalbox?.stop('SIGKILL');
    signalbox = undefined;
    directory.remove();
  });

  const databaseUrl = (password: string, database = 'box', port = postgres.port) =>
    `postgres://gateway:${password}@127.0.0.1:${port}/${database}`;
  const login = (password: string) => ({
    MQTT_URL: mosquitto.url,
    MQTT_USERNAME: 'gateway',
    MQTT_PASSWORD: password,
  });

  function ready({ output }: Service): Record<string, unknown> {
    const line = output()
      .split('\n')
      .find((text) => text.includes('"msg":"ready"'));
    return JSON.parse(line!) as Record<string, unknown>;
  }

  async function becomesReady({ httpUrl }: Service): Promise<void> {
    await eventually('it is ready', async () => (await get(`${httpUrl}/readyz`)).status === 200, 30_000);
  }

  it('tells of both, of what access there is, and of first steps that work there, and of no login', async () => {
    signalbox = await startService(directory.path, { ...login(SECRET), DATABASE_URL: databaseUrl(SECRET) });
    await becomesReady(signalbox);
    expect(ready(signalbox)).toMatchObject({
      mode: 'external broker, PostgreSQL',
      mqtt: mosquitto.url,
      database: `postgres://127.0.0.1:${postgres.port}/box`,
      access: 'open: HTTP on this machine only, no keys; MQTT as the broker lets clients in',
      // mosquitto_pub would need a login of its own.
      next: [
        expect.stringContaining('curl http'),
        expect.stringContaining('/sensors'),
        expect.stringContaining('/control'),
      ],
    });
    expect(await signalbox.stop()).toBe(0);
    expect(signalbox.output()).not.toContain(SECRET);
  });

  it('tells the mode truly where only one of the two is elsewhere', async () => {
    signalbox = await startService(directory.path, login(SECRET));
    expect(ready(signalbox)).toMatchObject({
      mode: 'external broker, SQLite',
      dataDir: join(directory.path, 'data'),
    });
    expect(await signalbox.stop()).toBe(0);
    signalbox = await startService(directory.path, { DATABASE_URL: await postgres.createDatabase() });
    expect(ready(signalbox)).toMatchObject({
      mode: 'embedded broker, PostgreSQL',
      access: 'open: this machine only, no keys',
    });
    expect(ready(signalbox)['dataDir']).toBeUndefined();
    expect(await signalbox.stop()).toBe(0);
  });

  it('fails where nothing answers at DATABASE_URL, with 69: it may later', async () => {
    const port = await freePort();
    const { code, output } = await startAndEnd(directory.path, {
      DATABASE_URL: databaseUrl(SECRET, 'box', port),
      LOG_LEVEL: 'fatal',
    });
    expect(code).toBe(69);
    expect(output).toContain(`127.0.0.1:${port}`);
    expect(output).toContain('DATABASE_URL');
    expect(output).not.toContain(SECRET);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['a wrong password', () => databaseUrl('wrong-word'), /refuses the login of gateway/],
    ['a database that is not there', () => databaseUrl(SECRET, 'nowhere'), /nowhere/],
  ])('fails with %s in DATABASE_URL, and says what to do', async (_, url, said) => {
    const { code, output } = await startAndEnd(directory.path, { DATABASE_URL: url(), LOG_LEVEL: 'fatal' });
    expect(code).toBe(1);
    expect(output).toMatch(said);
    for (const secret of [SECRET, 'wrong-word']) expect(output).not.toContain(secret);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it('goes on where the broker is away, is not ready until it is there, and says why', async () => {
    const port = await freePort();
    signalbox = await startService(directory.path, { MQTT_URL: `mqtt://127.0.0.1:${port}` });
    expect((await get(`${signalbox.httpUrl}/readyz`)).status).toBe(503);
    expect(signalbox.output()).toMatch(/nothing listens where MQTT_URL points to/);
    const broker = await startMosquitto({ port });
    await becomesReady(signalbox);
    expect(await signalbox.stop()).toBe(0);
    await broker.stop();
  });

  it('goes on where the broker refuses the login, is not ready, and says which settings to check', async () => {
    signalbox = await startService(directory.path, login('wrong-word'));
    expect((await get(`${signalbox.httpUrl}/readyz`)).status).toBe(503);
    expect(signalbox.output()).toMatch(/refused our login[^\n]*MQTT_PASSWORD|MQTT_PASSWORD[^\n]*refused our login/);
    expect(await signalbox.stop()).toBe(0);
    expect(signalbox.output()).not.toContain('wrong-word');
  });

  it.each([
    ['MQTT_URL', `mqtt://gateway:${SECRET}@127.0.0.1`],
    ['MQTT_URL', `http://127.0.0.1/${SECRET}`],
    ['DATABASE_URL', `mysql://gateway:${SECRET}@127.0.0.1/box`],
  ])('refuses a wrong %s (%s) with 78, by its name and never by its value', async (variable, value) => {
    const { code, output } = await startAndEnd(directory.path, { [variable]: value });
    expect(code).toBe(78);
    expect(output).toContain(variable);
    expect(output).not.toContain(SECRET);
  });
});
