import { describe, expect, it } from '@jest/globals';
import { fillPage } from './history.page.js';
import type { HistoryReading } from './reading.history.js';

async function* readings(count: number, values: (i: number) => HistoryReading['values'] = (i) => ({ t: i })) {
  for (let i = 0; i < count; i++) {
    const reading: HistoryReading = {
      position: i,
      deviceId: 'd',
      topic: 'x',
      ts: i,
      receivedAt: i,
      id: null,
      seq: null,
      historical: false,
      values: values(i),
    };
    yield reading;
  }
}
const all = { limit: 10, metrics: null, maxBytes: null };

describe('A page of history', () => {
  it('holds the limit and says that there is more only where there is', async () => {
    expect(await fillPage(readings(10), all)).toMatchObject({ items: { length: 10 }, last: null });
    expect(await fillPage(readings(11), all)).toMatchObject({ items: { length: 10 }, last: { position: 9 } });
    expect(await fillPage(readings(0), all)).toEqual({ items: [], last: null });
  });

  it('ends before it is larger than asked for, and goes on there', async () => {
    const page = await fillPage(
      readings(5, () => 'x'.repeat(1_000)),
      { ...all, maxBytes: 2_500 },
    );
    expect(page).toMatchObject({ items: { length: 2 }, last: { position: 1 } });
    expect(Buffer.byteLength(JSON.stringify(page.items))).toBeLessThanOrEqual(2_500);
  });

  it('holds one reading in any case, so that a reader gets on', async () => {
    const page = await fillPage(
      readings(2, () => 'x'.repeat(1_000)),
      { ...all, maxBytes: 10 },
    );
    expect(page).toMatchObject({ items: { length: 1 }, last: { position: 0 } });
  });

  it('leaves readings without the metrics out, and does not count them', async () => {
    const mixed = readings(30, (i) => (i % 3 === 0 ? { t: i, u: 1 } : [{ u: 1 }]));
    const page = await fillPage(mixed, { ...all, limit: 9, metrics: new Set(['t']) });
    expect(page.items.map(({ values }) => values)).toEqual(Array.from({ length: 9 }, (_, i) => ({ t: i * 3 })));
    expect(page.last!.position).toBe(26);
  });

  it('looks at no more than 20,000 readings, and leads on where they ended', async () => {
    const page = await fillPage(readings(20_001), { ...all, metrics: new Set(['none']) });
    expect(page).toMatchObject({ items: [], last: { position: 19_999 } });
  });
});
