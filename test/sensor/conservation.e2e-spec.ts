import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { SensorService } from '../../src/sensor/sensor.service.js';
import { SensorBox } from './sensor-box.js';

describe('the counts of readings', () => {
  let box: SensorBox;
  beforeAll(async () => {
    box = await SensorBox.start();
  });
  afterAll(async () => {
    await box?.stop();
  });

  it('account for every reading of any mix of payloads', async () => {
    const service = box.app.app.get(SensorService);
    const item = fc.oneof(
      fc.record({ a: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ a: fc.integer({ min: 0, max: 1 }), ts: fc.constantFrom(Date.now() - 5000, 5, 'x') }),
      fc.record({ values: fc.record({ a: fc.integer() }), id: fc.constantFrom('i', 'j', 5) }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const payload = fc.oneof(
      item.map((value) => ({ text: JSON.stringify(value), items: 1 })),
      fc
        .array(item, { minLength: 1, maxLength: 8 })
        .filter(([first]) => !(typeof first === 'object' && first !== null && ('n' in first || 'bn' in first)))
        .map((items) => ({ text: JSON.stringify(items), items: items.length })),
      fc.string().map((text) => ({ text: `{${text}`, items: 1 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(payload, { minLength: 1, maxLength: 20 }), async (messages) => {
        const device = box.newDevice();
        const before = service.counts;
        // A lone array is an array of items to the gateway, whatever made it.
        const items = messages.map(({ text, items: n }) => {
          try {
            const value = JSON.parse(text) as unknown;
            return Array.isArray(value) ? Math.max(value.length, 1) : n;
          } catch {
            return 1;
          }
        });
        await Promise.all(messages.map(({ text }) => box.send(device, text)));
        const after = service.counts;
        const change = (name: keyof typeof after) => after[name] - before[name];
        expect(change('received')).toBe(items.reduce((sum, n) => sum + n, 0));
        expect(change('received')).toBe(change('stored') + change('duplicates') + change('rejected'));
        const stored = await box.app.database.point
          .selectFrom('readings')
          .select(({ fn }) => fn.countAll().as('n'))
          .where('device_id', '=', device)
          .executeTakeFirstOrThrow();
        expect(Number(stored.n)).toBe(change('stored'));
        expect(await box.rejects(`deviceId=${device}&limit=1000`)).toHaveLength(change('rejected'));
      }),
      { numRuns: 40 },
    );
  });
});
