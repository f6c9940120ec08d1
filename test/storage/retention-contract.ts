import { expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import type { Statement } from '../../src/storage/database.js';
import { event, newDevice, outcomes, reading, readingsOf, type TestDatabase } from './test-database.js';

const DAY = 86_400_000;
const NOW = 1_800_000_000_000;

/** What every database removes, and what it keeps. */
export function itRetains(open: () => TestDatabase): void {
  const rejects = (deviceId: string | null, count: number, receivedAt = NOW): Statement =>
    open()
      .database.sql.insertInto('rejects')
      .values(
        Array.from({ length: count }, () => ({
          id: newId(),
          device_id: deviceId,
          topic: 't',
          received_at: receivedAt,
          code: 'EMPTY',
          detail: 'no metric',
          payload: new Uint8Array([1]),
          size: 1,
        })),
      )
      .compile();
  const rejectCounts = (deviceId: string) =>
    open()
      .database.point.selectFrom('reject_counts')
      .select(['kept', 'dropped'])
      .where('device_id', '=', deviceId)
      .execute();
  const countRejects = async () => {
    const row = await open()
      .database.scan.selectFrom('rejects')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return row.count;
  };

  it('removes readings and events by their own time, of every device, in small pieces, and keeps latest', async () => {
    const devices = [newDevice(), newDevice(), newDevice()];
    const { database } = open();
    await database.appendReadings(
      devices.flatMap((deviceId) => [
        ...Array.from({ length: 700 }, (_, i) => reading({ deviceId, ts: NOW - 91 * DAY + i, receivedAt: NOW })),
        reading({ deviceId, ts: NOW - 90 * DAY, receivedAt: NOW, key: 'kept' }),
      ]),
    );
    await database.appendEvents([
      event({ deviceId: devices[0]!, ts: NOW - 8 * DAY }),
      event({ deviceId: devices[0]!, ts: NOW - 6 * DAY, key: 'kept' }),
    ]);
    const report = await open().retain({ readings: 90 * DAY, events: 7 * DAY }, NOW);
    expect(report).toMatchObject({ readings: 2_100, events: 1 });
    for (const deviceId of devices) {
      expect((await readingsOf(open(), deviceId)).map(({ key }) => key)).toEqual(['t:kept']);
    }
    const latest = await database.point
      .selectFrom('latest')
      .select('ts')
      .where('device_id', '=', devices[1]!)
      .execute();
    expect(latest.map(({ ts }) => ts)).toEqual([NOW - 90 * DAY, NOW - 90 * DAY]);
    expect(await open().retain({ readings: 90 * DAY, events: 7 * DAY }, NOW)).toMatchObject({ readings: 0, events: 0 });
  });

  it('keeps everything for ever where the age is 0', async () => {
    const deviceId = newDevice();
    await open().database.appendReadings([reading({ deviceId, ts: 1 })]);
    await open().retain({}, NOW);
    expect(await readingsOf(open(), deviceId)).toHaveLength(1);
  });

  it('never gives a position twice, even after all readings are gone and the database was opened again', async () => {
    const deviceId = newDevice();
    await open().database.appendReadings([reading({ deviceId }), reading({ deviceId })]);
    const [, last] = await readingsOf(open(), deviceId);
    await open().retain({ readings: 1 }, NOW + DAY);
    expect(await readingsOf(open(), deviceId)).toEqual([]);
    const reopened = await open().reopen();
    await reopened.database.appendReadings([reading({ deviceId })]);
    const [next] = await readingsOf(reopened, deviceId);
    expect(next!.position).toBeGreaterThan(last!.position);
  });

  it('forgets an id without a time after seven days', async () => {
    const deviceId = newDevice();
    const { database } = open();
    const first = reading({ deviceId, identity: 'id', key: 'a', ts: NOW - 8 * DAY, receivedAt: NOW - 8 * DAY });
    const second = reading({ deviceId, identity: 'id', key: 'b', ts: NOW - 6 * DAY, receivedAt: NOW - 6 * DAY });
    await database.appendReadings([first, second]);
    await database.appendEvents([event({ deviceId, identity: 'id', key: 'a', receivedAt: NOW - 8 * DAY })]);
    expect(await open().retain({}, NOW)).toMatchObject({ ids: 2 });
    const again = await database.appendReadings([
      { ...first, ts: NOW },
      { ...second, ts: NOW },
    ]);
    expect(outcomes(again)).toEqual(['stored', 'duplicate']);
  });

  it('forgets the key of a request after 24 hours, and keeps its command', async () => {
    const { database } = open();
    const command = (id: string) =>
      database.sql
        .insertInto('commands')
        .values({
          id,
          device_id: newDevice(),
          link: 'native',
          type: 'x',
          params: '{}',
          mode: 'ack',
          offline: 'queue',
          order: 'parallel',
          max_attempts: 3,
          metadata: '{}',
          status: 'PENDING',
          rank: 0,
          final: 0,
          attempts: 0,
          created_at: NOW,
          expires_at: NOW,
          result_timeout_ms: 1,
        })
        .compile();
    const key = (name: string, command_id: string, created_at: number) =>
      database.sql
        .insertInto('idempotency_keys')
        .values({ caller: 'c', key: name, fingerprint: 'f', command_id, created_at })
        .compile();
    const [old, young] = [newId(), newId()];
    await database.write([
      command(old),
      command(young),
      key('old', old, NOW - DAY),
      key('young', young, NOW - DAY + 1),
    ]);
    expect(await open().retain({}, NOW)).toMatchObject({ ids: 1, commands: 0 });
    const keys = await database.scan.selectFrom('idempotency_keys').select('key').execute();
    expect(keys).toEqual([{ key: 'young' }]);
  });

  it('removes messages and rejects by their arrival, and commands only when final', async () => {
    const { database } = open();
    const deviceId = newDevice();
    const message = (received_at: number) =>
      database.sql
        .insertInto('messages')
        .values({ topic: 't', payload: new Uint8Array(), qos: 0, retain: 0, received_at })
        .compile();
    const command = (id: string, final: number, created_at: number) =>
      database.sql
        .insertInto('commands')
        .values({
          id,
          device_id: deviceId,
          link: 'native',
          type: 'x',
          params: '{}',
          mode: 'ack',
          offline: 'queue',
          order: 'parallel',
          max_attempts: 3,
          metadata: '{}',
          status: 'PENDING',
          rank: 0,
          final,
          attempts: 0,
          created_at,
          expires_at: created_at,
          result_timeout_ms: 1,
        })
        .compile();
    const [old, open_, young] = [newId(), newId(), newId()];
    await database.write([
      message(NOW - 8 * DAY),
      message(NOW - 6 * DAY),
      rejects(deviceId, 3, NOW - 8 * DAY),
      rejects(deviceId, 2, NOW - 6 * DAY),
      command(old, 1, NOW - 181 * DAY),
      command(open_, 0, NOW - 181 * DAY),
      command(young, 1, NOW - 179 * DAY),
    ]);
    const report = await open().retain({ messages: 7 * DAY, rejects: 7 * DAY, commands: 180 * DAY }, NOW);
    expect(report).toMatchObject({ messages: 1, rejects: 3, commands: 1 });
    const left = await database.scan
      .selectFrom('commands')
      .select('id')
      .where('device_id', '=', deviceId)
      .orderBy('seq')
      .execute();
    expect(left.map(({ id }) => id)).toEqual([open_, young]);
    expect(await rejectCounts(deviceId)).toEqual([{ kept: 2, dropped: 0 }]);
  });

  it('keeps the newest 1,000,000 messages', async () => {
    const { database } = open();
    const insert = (seq: number) =>
      database.sql
        .insertInto('messages')
        .values({ seq, topic: 'cap', payload: new Uint8Array(), qos: 0, retain: 0, received_at: NOW })
        .compile();
    await database.write([insert(2_000_000), insert(2_000_001), insert(3_000_000)]);
    const seqs = await database.scan
      .selectFrom('messages')
      .select('seq')
      .where('topic', '=', 'cap')
      .orderBy('seq')
      .execute();
    expect(seqs).toEqual([{ seq: 2_000_001 }, { seq: 3_000_000 }]);
  });

  it('never keeps more than 10,000 rejects of a device: the oldest are dropped and counted at once', async () => {
    const { database } = open();
    const [loud, quiet] = [newDevice(), newDevice()];
    await database.write([rejects(quiet, 1)]);
    for (let i = 0; i < 10; i++) await database.write([rejects(loud, 1_003)]);
    expect(await rejectCounts(loud)).toEqual([{ kept: 10_000, dropped: 30 }]);
    expect(await rejectCounts(quiet)).toEqual([{ kept: 1, dropped: 0 }]);
    const rows = await database.scan
      .selectFrom('rejects')
      .select('seq')
      .where('device_id', '=', loud)
      .orderBy('seq')
      .execute();
    expect(rows).toHaveLength(10_000);
    expect(rows.at(-1)!.seq - rows[0]!.seq).toBe(9_999);
  });

  it('never keeps more than 100,000 rejects in all, those without a device among them', async () => {
    const { database } = open();
    for (let device = 0; device < 21; device++) {
      await database.write(Array.from({ length: 5 }, () => rejects(device % 2 ? newDevice() : null, 1_000)));
    }
    expect(await countRejects()).toBe(100_000);
    const [all] = await rejectCounts('*');
    expect(all!.kept).toBe(100_000);
    expect(all!.dropped).toBe(5_000);
  });
}
