import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Logger } from '@nestjs/common';
import { eventually } from '../support/eventually.js';
import { connectMqtt } from '../support/mqtt.js';
import { startService, temporaryDirectory } from '../support/process.js';
import { AppendingProcess, storedNumbers } from './appending-process.js';
import { openSqlite } from './sqlite.js';
import { newDevice, outcomes, reading } from './test-database.js';

Logger.overrideLogger(false);

describe('SQLite under faults', () => {
  let dataDir: string;
  let cleanUp: (() => Promise<void> | void)[];

  beforeEach(() => {
    const directory = temporaryDirectory();
    dataDir = join(directory.path, 'data');
    cleanUp = [() => directory.remove()];
  });

  afterEach(async () => {
    for (const step of cleanUp.toReversed()) await step();
  });

  const open = async (limits = {}) => {
    const database = await openSqlite(dataDir, limits);
    cleanUp.push(() => database.close());
    return database;
  };
  const start = (first = 0) => {
    const child = new AppendingProcess(dataDir, first);
    cleanUp.push(() => child.kill());
    return child;
  };
  /** Another process takes the write lock; the result lets go of it. */
  const holdLock = async () => {
    const holder = spawn(process.execPath, [resolve('test/storage/hold-lock.mjs'), join(dataDir, 'signalbox.db')]);
    const exited = once(holder, 'exit');
    cleanUp.push(async () => {
      holder.kill('SIGKILL');
      await exited;
    });
    await once(holder.stdout, 'data');
    return () => holder.stdin.end();
  };
  const expectAllStoredOnce = async (acknowledged: readonly number[]) => {
    const database = await open();
    const stored = await storedNumbers(database);
    expect(acknowledged.filter((number) => !stored.has(number))).toEqual([]);
    expect([...stored].filter(([, count]) => count > 1)).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(100);
  };

  it('has every acknowledged reading, once, after kill -9 at random moments and a device that sends again', async () => {
    const acknowledged: number[] = [];
    for (let round = 0; round < 6; round++) {
      const child = start(Math.max(0, Math.max(...acknowledged, 0) - 100));
      await child.appends(1 + Math.floor(Math.random() * 60));
      await child.kill();
      acknowledged.push(...child.acknowledged());
    }
    await expectAllStoredOnce(acknowledged);
  }, 60_000);

  it('starts the writer again after it crashed, without losing or doubling what was acknowledged', async () => {
    const child = start();
    await child.appends(20);
    child.order('crash');
    await eventually('calls of the lost writer are refused', () => child.said('error').includes('STORAGE_UNAVAILABLE'));
    await child.appends(20);
    await eventually('it says so', () => child.said('status').join() === 'up,down,up');
    await child.kill();
    await expectAllStoredOnce(child.acknowledged());
  });

  it('refuses writes while the disk is full, and commits again by itself when there is room', async () => {
    const child = start();
    await child.appends(20);
    const limit = (bytes: number | 'unlimited') => execFileSync('prlimit', [`--pid=${child.pid}`, `--fsize=${bytes}:`]);
    limit(statSync(join(dataDir, 'signalbox.db-wal')).size);
    await eventually('writes are refused', () => child.said('error').includes('STORAGE_UNAVAILABLE'));
    await eventually('it knows that it is down', () => child.said('status').at(-1) === 'down');
    child.order('pause');
    limit('unlimited');
    await eventually('it is up without any traffic', () => child.said('status').at(-1) === 'up');
    child.order('append');
    await child.appends(20);
    expect(new Set(child.said('error'))).toEqual(new Set(['STORAGE_UNAVAILABLE']));
    await child.kill();
    await expectAllStoredOnce(child.acknowledged());
  });

  it('waits for a lock that another program holds for a while, and loses nothing', async () => {
    const database = await open();
    const deviceId = newDevice();
    const letGo = await holdLock();
    const heldAt = Date.now();
    let settled = 0;
    const appends = Array.from({ length: 30 }, async () => {
      const verdicts = await database.appendReadings([reading({ deviceId })]);
      settled = Date.now();
      return verdicts;
    });
    setTimeout(letGo, 2_000);
    for (const verdicts of await Promise.all(appends)) expect(outcomes(verdicts)).toEqual(['stored']);
    expect(settled - heldAt).toBeGreaterThan(1_900);
    expect(database.status).toBe('up');
  });

  it('refuses with a code what is not committed by the deadline, still reads, and recovers by itself', async () => {
    const database = await open({ deadlineMs: 600 });
    const deviceId = newDevice();
    const sent = reading({ deviceId });
    await database.appendReadings([sent]);
    const letGo = await holdLock();
    const began = Date.now();
    const refused = { code: 'STORAGE_UNAVAILABLE', spec: { status: 503 }, options: { retryAfter: expect.any(Number) } };
    const late = Array.from({ length: 3 }, () => database.appendReadings([reading({ deviceId, key: 'late' })]));
    for (const outcome of await Promise.allSettled(late)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: refused });
    }
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(database.status).toBe('down');
    expect(
      await database.point.selectFrom('readings').select('ts').where('device_id', '=', deviceId).execute(),
    ).toEqual([{ ts: sent.ts }]);
    letGo();
    await eventually('it is up without any traffic', () => database.status === 'up');
    expect(outcomes(await database.appendReadings([sent]))).toEqual(['duplicate']);
    const [again] = outcomes(await database.appendReadings([reading({ deviceId, key: 'late' })]));
    expect(['stored', 'duplicate']).toContain(again);
  });

  it('refuses at once the jobs that would wait beyond its bounds, but never an append', async () => {
    const database = await open({ mostPendingRows: 3, mostPendingSize: 1_000_000, deadlineMs: 5_000 });
    const letGo = await holdLock();
    const unit = (text = 'C') =>
      database.sql.insertInto('units').values({ device_id: 'd', metric: newDevice(), unit: text }).compile();
    const first = database.write([unit(), unit()]);
    const appends = Array.from({ length: 10 }, () => database.appendReadings([reading()]));
    const refused = { code: 'STORAGE_UNAVAILABLE' };
    await expect(database.write([unit(), unit()])).rejects.toMatchObject(refused);
    await expect(database.write([unit('x'.repeat(1_000_000))])).rejects.toMatchObject(refused);
    const second = database.write([unit()]);
    letGo();
    expect([...(await first), ...(await second)]).toHaveLength(3);
    expect((await Promise.all(appends)).flatMap(outcomes)).toEqual(Array(10).fill('stored'));
    expect(await database.write([unit(), unit(), unit(), unit()])).toHaveLength(4);
  });

  it('says soon that it is down while a commit hangs, refuses jobs at once, and lets appends wait', async () => {
    const database = await open({ downAfterMs: 300 });
    const job = () =>
      database.write([
        database.sql.insertInto('units').values({ device_id: 'd', metric: newDevice(), unit: 'C' }).compile(),
      ]);
    const heard: (string | null)[] = [];
    database.onNews('devices', (detail) => heard.push(detail));
    const letGo = await holdLock();
    const began = Date.now();
    const append = database.appendReadings([reading()]);
    await eventually('it is down', () => database.status === 'down');
    expect(heard).toEqual([]);
    await expect(job()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', spec: { status: 503 } });
    expect(Date.now() - began).toBeLessThan(2_000);
    letGo();
    expect(outcomes(await append)).toEqual(['stored']);
    expect(database.status).toBe('up');
    // What was said to have failed may have been committed, so everybody looks for himself.
    expect(heard).toEqual([null]);
    expect(await job()).toHaveLength(1);
  });

  it('closes in time while another program holds the lock, and refuses what was waiting', async () => {
    const database = await open();
    await holdLock();
    const append = database.appendReadings([reading()]);
    append.catch(() => undefined);
    const began = Date.now();
    await database.close();
    expect(Date.now() - began).toBeLessThan(8_000);
    expect(database.status).toBe('stopped');
    await expect(append).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  it('ends the process by itself within 10 s of SIGTERM while another program holds the lock', async () => {
    const signalbox = await startService(join(dataDir, '..'));
    cleanUp.push(() => void signalbox.child.kill('SIGKILL'));
    await holdLock();
    const client = await connectMqtt(signalbox.mqttUrl, { reconnectPeriod: 0 });
    client.on('error', () => undefined);
    let acknowledged = false;
    client.publish('devices/d/up/telemetry', '{"t":1}', { qos: 1 }, (error) => (acknowledged = !error));
    await eventually('the database is down', async () => (await fetch(`${signalbox.httpUrl}/readyz`)).status === 503);
    const began = Date.now();
    expect(typeof (await signalbox.stop())).toBe('number');
    expect(Date.now() - began).toBeLessThan(11_000);
    expect(acknowledged).toBe(false);
    await client.endAsync(true);
  }, 40_000);

  it('refuses a result that would not fit into memory, and goes on', async () => {
    const database = await open();
    const values = JSON.stringify({ t: 'x'.repeat(240 * 1024) });
    for (let i = 0; i < 8; i++) {
      await database.appendReadings(Array.from({ length: 20 }, () => reading({ values, deviceId: 'large' })));
    }
    const all = database.scan.selectFrom('readings').selectAll().where('device_id', '=', 'large');
    await expect(all.execute()).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE', spec: { status: 400 } });
    expect(await all.limit(100).execute()).toHaveLength(100);
  });
});
