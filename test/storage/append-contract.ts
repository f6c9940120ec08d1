import { expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import type { NewReading } from '../../src/storage/log.js';
import { event, latestOf, newDevice, outcomes, reading, readingsOf, type TestDatabase } from './test-database.js';

const T = 1_800_000_000_000;

/** What every database does with what is appended to the log. */
export function itAppends(open: () => TestDatabase): void {
  it('stores a reading whole, and shows it to any read after the acknowledgement', async () => {
    const deviceId = newDevice();
    const sent = reading({
      deviceId,
      seq: 7,
      historical: true,
      key: 'boot-1 / 7',
      values: '{ "däta":[1,"€"],"x":null }',
    });

    expect(outcomes(await open().database.appendReadings([sent]))).toEqual(['stored']);

    for (const kysely of [open().database.point, open().database.scan]) {
      const rows = await kysely.selectFrom('readings').selectAll().where('device_id', '=', deviceId).execute();
      expect(rows).toEqual([
        {
          position: expect.any(Number),
          device_id: deviceId,
          ts: sent.ts,
          key: 't:boot-1 / 7',
          received_at: sent.receivedAt,
          topic: sent.topic,
          historical: 1,
          seq: 7,
          values: sent.values,
        },
      ]);
    }
  });

  it('recognises an equal identity of every kind, keeps the first, and tells a duplicate from a conflict', async () => {
    for (const identity of ['id-ts', 'id', 'seq', 'hash'] as const) {
      const deviceId = newDevice();
      const first = reading({ deviceId, identity, key: 'k', values: '{"a":1,"b":{"c":[1,2],"d":null}}' });
      const verdicts = await open().database.appendReadings([
        first,
        first,
        { ...first, values: '{ "b": {"d":null, "c":[1,2]}, "a": 1.0 }' },
        { ...first, values: '{"a":1,"b":{"c":[2,1],"d":null}}' },
      ]);
      expect([identity, ...outcomes(verdicts)]).toEqual([identity, 'stored', 'duplicate', 'duplicate', 'conflict']);
      const again = await open().database.appendReadings([first, { ...first, values: '{"a":2}' }]);
      expect(outcomes(again)).toEqual(['duplicate', 'conflict']);
      expect((await readingsOf(open(), deviceId)).map(({ values }) => values)).toEqual([first.values]);
    }
  });

  it('keeps the kinds of identity apart where their keys are equal', async () => {
    const deviceId = newDevice();
    const kinds = ['id-ts', 'id', 'seq', 'hash'] as const;
    const verdicts = await open().database.appendReadings(
      kinds.map((identity) => reading({ deviceId, identity, key: '1' })),
    );
    expect(outcomes(verdicts)).toEqual(['stored', 'stored', 'stored', 'stored']);
  });

  it('never takes a unique reading for a duplicate', async () => {
    const deviceId = newDevice();
    const same = reading({ deviceId, identity: 'unique', key: '' });
    expect(outcomes(await open().database.appendReadings([same, same, same]))).toEqual(['stored', 'stored', 'stored']);
    const rows = await readingsOf(open(), deviceId);
    expect(rows.map(({ key }) => key)).toEqual(rows.map(({ position }) => `u:${position}`));
  });

  it('takes a unique reading with a key for one, however often it is appended', async () => {
    const deviceId = newDevice();
    const same = reading({ deviceId, identity: 'unique', key: 'k3f9a-1z4' });
    const others = [
      { ...same, key: 'k3f9a-1z4.1' },
      { ...same, key: '' },
    ];
    expect(outcomes(await open().database.appendReadings([same]))).toEqual(['stored']);
    expect(outcomes(await open().database.appendReadings([same, ...others]))).toEqual([
      'duplicate',
      'stored',
      'stored',
    ]);
    const happened = event({ deviceId, identity: 'unique', key: 'k3f9a-1z5' });
    expect(outcomes(await open().database.appendEvents([happened, happened]))).toEqual(['stored', 'duplicate']);
  });

  it('remembers an id without a time whatever the time of the second try', async () => {
    const deviceId = newDevice();
    const first = reading({ deviceId, identity: 'id', key: 'a', ts: T });
    await open().database.appendReadings([first]);
    const retries = [
      { ...first, ts: T + 60_000 },
      { ...first, ts: T + 90_000, values: '{"temperature":0}' },
    ];
    expect(outcomes(await open().database.appendReadings(retries))).toEqual(['duplicate', 'conflict']);
    const other = reading({ deviceId: newDevice(), identity: 'id', key: 'a' });
    expect(outcomes(await open().database.appendReadings([other]))).toEqual(['stored']);
    expect(await readingsOf(open(), deviceId)).toHaveLength(1);
  });

  it('gives positions in the order of the appends, also when many are under way', async () => {
    const deviceId = newDevice();
    const settled: number[] = [];
    await Promise.all(
      Array.from({ length: 150 }, async (_, i) => {
        await open().database.appendReadings([
          reading({ deviceId, seq: 2 * i }),
          reading({ deviceId, seq: 2 * i + 1 }),
        ]);
        settled.push(i);
      }),
    );
    expect(settled).toEqual(Array.from({ length: 150 }, (_, i) => i));
    expect((await readingsOf(open(), deviceId)).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  it('moves latest only to a strictly newer time, per metric, and skips null', async () => {
    const deviceId = newDevice();
    const { database } = open();
    await database.appendReadings([
      reading({ deviceId, ts: T, values: '{"t":1,"h":1,"gone":null}' }),
      reading({ deviceId, ts: T + 2, values: '{"t":3}' }),
      reading({ deviceId, ts: T + 1, values: '{"t":2,"h":2}' }),
    ]);
    expect(await latestOf(open(), deviceId)).toEqual({ t: { ts: T + 2, value: 3 }, h: { ts: T + 1, value: 2 } });
    await database.appendReadings([
      reading({ deviceId, ts: T + 2, values: '{"t":99,"h":null}' }),
      reading({ deviceId, ts: T - 5, values: '{"t":98,"new":["x",{"y":true}]}' }),
    ]);
    expect(await latestOf(open(), deviceId)).toEqual({
      t: { ts: T + 2, value: 3 },
      h: { ts: T + 1, value: 2 },
      new: { ts: T - 5, value: ['x', { y: true }] },
    });
  });

  it('takes latest from the flattened metrics, and only from readings that were stored', async () => {
    const deviceId = newDevice();
    const first = reading({ deviceId, values: '{"a":{"b":1}}', metrics: '{"a.b":1}' });
    await open().database.appendReadings([first, { ...first, values: '{"a":{"b":2}}', metrics: '{"a.b":2}' }]);
    expect(await latestOf(open(), deviceId)).toEqual({ 'a.b': { ts: first.ts, value: 1 } });
  });

  it('keeps metrics with awkward names', async () => {
    const deviceId = newDevice();
    const values = '{"__proto__":1,"constructor":2,"0":3,"a b":4,"\\"":5}';
    await open().database.appendReadings([reading({ deviceId, values })]);
    const rows = await open()
      .database.point.selectFrom('latest')
      .select(['metric', 'value'])
      .where('device_id', '=', deviceId)
      .execute();
    expect(rows.map(({ metric }) => metric).toSorted()).toEqual(['"', '0', '__proto__', 'a b', 'constructor']);
  });

  it('creates the device on first sight and raises its link to native, never back', async () => {
    const deviceId = newDevice();
    const linkAfter = async (link: NewReading['link']) => {
      await open().database.appendReadings([reading({ deviceId, link })]);
      return open()
        .database.point.selectFrom('devices')
        .select(['id', 'link', 'created_at'])
        .where('id', '=', deviceId)
        .execute();
    };
    const created_at = T + 20;
    expect(await linkAfter('foreign')).toEqual([{ id: deviceId, link: 'foreign', created_at }]);
    expect(await linkAfter('native')).toEqual([{ id: deviceId, link: 'native', created_at }]);
    expect(await linkAfter('foreign')).toEqual([{ id: deviceId, link: 'native', created_at }]);
  });

  it('creates a device again that was removed in between', async () => {
    const deviceId = newDevice();
    const { database } = open();
    await database.appendReadings([reading({ deviceId })]);
    await database.write([database.sql.deleteFrom('devices').where('id', '=', deviceId).compile()]);
    await database.appendReadings([reading({ deviceId })]);
    expect(await database.point.selectFrom('devices').select('id').where('id', '=', deviceId).execute()).toHaveLength(
      1,
    );
  });

  it('isolates rows that cannot be stored: their neighbours and the other appends are stored once', async () => {
    const deviceId = newDevice();
    const rows = [
      reading({ deviceId, key: '1' }),
      reading({ deviceId, key: '2', ts: NaN }),
      reading({ deviceId, key: '3', values: 'no json' }),
      reading({ deviceId, key: '4' }),
      reading({ deviceId, key: '1' }),
    ];
    const [poisoned, neighbour, job] = await Promise.all([
      open().database.appendReadings(rows),
      open().database.appendReadings([reading({ deviceId, key: '5', ts: T + 5, values: '{"t":5}' })]),
      open().database.write([
        open().database.sql.insertInto('units').values({ device_id: deviceId, metric: 't', unit: 'C' }).compile(),
      ]),
    ]);
    expect(outcomes(poisoned)).toEqual(['stored', 'failed', 'failed', 'stored', 'duplicate']);
    expect(poisoned[1]).toEqual({ outcome: 'failed', detail: expect.stringMatching(/./) });
    expect(outcomes(neighbour)).toEqual(['stored']);
    expect(job[0]!.changes).toBe(1);
    expect((await readingsOf(open(), deviceId)).map(({ key }) => key)).toEqual(['t:1', 't:4', 't:5']);
    expect(await latestOf(open(), deviceId)).toMatchObject({
      t: { ts: T + 5, value: 5 },
      humidity: { ts: T, value: 40 },
    });
  });

  it('stores a device whose first row was refused', async () => {
    const deviceId = newDevice();
    const { database } = open();
    await database.appendReadings([reading({ deviceId, values: '[]' }), reading({ deviceId })]);
    expect(await database.point.selectFrom('devices').select('id').where('id', '=', deviceId).execute()).toHaveLength(
      1,
    );
  });

  it('appends events to the same sequence, by the same rules of identity', async () => {
    const deviceId = newDevice();
    const { database } = open();
    const first = event({ deviceId, body: '{"open": true}' });
    const byId = event({ deviceId, identity: 'id', key: '1', body: '"a"' });
    const verdicts = await database.appendEvents([
      first,
      first,
      { ...first, body: '{"open": false}' },
      byId,
      { ...byId, ts: T + 9 },
      event({ deviceId, identity: 'unique', key: '', body: 'null' }),
    ]);
    expect(outcomes(verdicts)).toEqual(['stored', 'duplicate', 'conflict', 'stored', 'duplicate', 'stored']);
    await database.appendReadings([reading({ deviceId, identity: 'id', key: '1' })]);
    const events = await database.scan
      .selectFrom('events')
      .selectAll()
      .where('device_id', '=', deviceId)
      .orderBy('position')
      .execute();
    expect(events.map(({ kind, type, body }) => [kind, type, body])).toEqual([
      ['event', 'door', '{"open": true}'],
      ['event', 'door', '"a"'],
      ['event', 'door', 'null'],
    ]);
    const [last] = await readingsOf(open(), deviceId);
    expect(last!.position).toBeGreaterThan(Math.max(...events.map(({ position }) => position)));
  });

  it('stores 256 KiB of values and a thousand rows in one append', async () => {
    const deviceId = newDevice();
    const text = JSON.stringify({ text: 'é'.repeat(128 * 1024) });
    const rows = Array.from({ length: 1_000 }, () => reading({ deviceId, key: newId() }));
    const verdicts = await open().database.appendReadings([...rows, reading({ deviceId, values: text })]);
    expect(new Set(outcomes(verdicts))).toEqual(new Set(['stored']));
    expect((await readingsOf(open(), deviceId)).at(-1)!.values).toBe(text);
  });

  it('stores an append of many megabytes in order', async () => {
    const deviceId = newDevice();
    const values = JSON.stringify({ text: 'x'.repeat(200 * 1024) });
    const rows = Array.from({ length: 60 }, (_, seq) => reading({ deviceId, seq, values, metrics: '{"a":1}' }));
    expect(new Set(outcomes(await open().database.appendReadings(rows)))).toEqual(new Set(['stored']));
    const stored = await open()
      .database.scan.selectFrom('readings')
      .select('seq')
      .where('device_id', '=', deviceId)
      .orderBy('position')
      .execute();
    expect(stored.map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq));
  });

  it('keeps the order of bulk too', async () => {
    const deviceId = newDevice();
    const rows = Array.from({ length: 2_300 }, (_, seq) => reading({ deviceId, seq }));
    expect(new Set(outcomes(await open().database.appendReadings(rows, 'bulk')))).toEqual(new Set(['stored']));
    expect((await readingsOf(open(), deviceId)).map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq));
  });

  it('answers an empty append at once', async () => {
    expect(await open().database.appendReadings([])).toEqual([]);
    expect(await open().database.appendEvents([])).toEqual([]);
  });
}
