import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MqttLink } from '../../src/mqtt/link.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { get } from '../support/http.js';

interface Capabilities {
  readonly mqtt: object;
  readonly database: { readonly kind: string; readonly version: string };
  readonly acknowledgement: { readonly publish: object; readonly endToEnd: object };
}

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ TOPIC_PREFIX: 'site/things' });
});
afterAll(async () => {
  await signalbox.close();
});

describe('GET /v1/capabilities', () => {
  it('is found from the front door', async () => {
    const { body } = await get<{ links: Record<string, string> }>(`${signalbox.httpUrl}/`);
    expect(body.links['capabilities']).toBe('/v1/capabilities');
  });

  it('tells what the present broker and database promise', async () => {
    const { status, headers, body } = await get<Capabilities>(`${signalbox.httpUrl}/v1/capabilities`);
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(Object.keys(body)).toEqual([
      'mqtt',
      'database',
      'logins',
      'commands',
      'acknowledgement',
      'redelivery',
      'survivesRestart',
    ]);
    const { kind, version } = signalbox.database.capabilities;
    expect(body.database).toMatchObject({ kind, version });
    expect(body.database.version).toMatch(/^\d+\.\d+/);
    expect(body.mqtt).toMatchObject({ broker: signalbox.app.get(MqttLink).capabilities.kind, services: true });
    expect(body.acknowledgement.endToEnd).toMatchObject({
      topic: 'site/things/{deviceId}/down/acks',
      means: 'committed',
    });
  });
});
