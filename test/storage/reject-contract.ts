import { expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { newDevice, outcomes, type TestDatabase } from './test-database.js';

const T = 1_800_000_000_000;

/** What every database does with rejects. */
export function itKeepsRejects(open: () => TestDatabase): void {
  it('keeps rejects whole and in order, and isolates one that cannot be kept', async () => {
    const deviceId = newDevice();
    const { database } = open();
    const payload = new Uint8Array([0, 1, 255]);
    const reject = (fields: object = {}) => ({
      id: newId(),
      deviceId,
      topic: `devices/${deviceId}/up/telemetry`,
      receivedAt: T,
      code: 'EMPTY',
      detail: 'Äh, €: nothing',
      payload,
      size: 3_000,
      ...fields,
    });
    const sent = [
      reject(),
      reject({ payload: new Uint8Array() }),
      reject({ receivedAt: NaN }),
      ...Array.from({ length: 600 }, (_, i) => reject({ detail: String(i) })),
    ];
    for (const lane of ['prompt', 'bulk'] as const) {
      const rows = sent.map((row) => ({ ...row, id: newId() }));
      const verdicts = outcomes(await database.appendRejects(rows, lane));
      expect(verdicts).toEqual(rows.map(({ receivedAt }) => (Number.isNaN(receivedAt) ? 'failed' : 'stored')));
      const stored = await database.scan
        .selectFrom('rejects')
        .selectAll()
        .where('device_id', '=', deviceId)
        .orderBy('seq')
        .execute();
      const kept = rows.filter(({ receivedAt }) => receivedAt === T);
      expect(stored.slice(-kept.length).map(({ id, detail }) => [id, detail])).toEqual(
        kept.map(({ id, detail }) => [id, detail]),
      );
      const [first, second] = stored.slice(-kept.length);
      expect(first).toMatchObject({ code: 'EMPTY', topic: sent[0]!.topic, received_at: T, size: 3_000 });
      expect([...first!.payload]).toEqual([0, 1, 255]);
      expect([...second!.payload]).toEqual([]);
    }
    await database.appendRejects([reject({ deviceId: null, id: 'no-device' })]);
    const [anonymous] = await database.scan
      .selectFrom('rejects')
      .select('device_id')
      .where('id', '=', 'no-device')
      .execute();
    expect(anonymous).toEqual({ device_id: null });
  });
}
