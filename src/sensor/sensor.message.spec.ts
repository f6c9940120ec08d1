import { describe, expect, it } from '@jest/globals';
import { type SensorMessage, takeApart } from './sensor.message.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const retention = { readings: 0, events: 0 };
const message: SensorMessage = {
  deviceId: 'd1',
  link: 'native',
  topic: 'devices/d1/up/telemetry',
  payload: Buffer.from('{"a":1}'),
  receivedAt: NOW,
  subject: { kind: 'telemetry', metric: null },
};

function unknown(topic: string) {
  return takeApart({ ...message, topic, subject: { kind: 'unknown' } }, retention).rejects;
}

describe('taking a message apart', () => {
  it('gives its readings with device, link and topic', () => {
    expect(takeApart({ ...message, link: 'foreign' }, retention).readings).toEqual([
      {
        deviceId: 'd1',
        link: 'foreign',
        topic: 'devices/d1/up/telemetry',
        ts: NOW,
        receivedAt: NOW,
        identity: 'unique',
        key: '',
        seq: null,
        historical: false,
        values: '{"a":1}',
        metrics: null,
      },
    ]);
  });

  it('gives an event with its type', () => {
    const { events } = takeApart({ ...message, subject: { kind: 'event', type: 'alarm' } }, retention);
    expect(events).toEqual([
      {
        kind: 'event',
        deviceId: 'd1',
        link: 'native',
        type: 'alarm',
        ts: NOW,
        receivedAt: NOW,
        identity: 'unique',
        key: '',
        body: '{"a":1}',
      },
    ]);
  });

  it.each(['', '__proto__', 'a b', '-x', 'x'.repeat(129), 'ä'])(
    'rejects the device id %j, as one reject',
    (deviceId) => {
      const parts = takeApart({ ...message, deviceId }, retention);
      expect(parts).toMatchObject({ known: false, readings: [], rejects: [{ code: 'BAD_DEVICE_ID' }] });
    },
  );

  it.each([
    ['devices/d1/up/telemetri', 'Did you mean up/telemetry?'],
    ['devices/d1/up/Event/x', 'Did you mean up/events?'],
    ['devices/d1/up/telemetry/a/b', 'A metric is one level'],
    ['devices/d1/up/events', 'needs its type'],
    ['devices/d1/up/events/a/b', 'one level'],
    ['devices/d1/up', 'There are up/telemetry'],
    ['devices/d1/up/', 'There are up/telemetry'],
    ['my/site/d1/up/foo', 'There are up/telemetry'],
  ])('rejects %s and says: %s', (topic, advice) => {
    expect(unknown(topic)).toMatchObject([{ index: 0, code: 'UNKNOWN_TOPIC', ref: null }]);
    expect(unknown(topic)[0]!.detail).toContain(advice);
  });
});
