import { describe, expect, it } from '@jest/globals';
import { endLogin, type Principal } from '../common/access.js';
import type { Json } from '../common/json.js';
import { TopicConfig } from '../config/topic.config.js';
import type { InboundMessage } from './message.js';
import { RequestDesk, RequestRoute } from './request.desk.js';

const TOPIC = 'services/control/send';

function requestOf(sender: Principal): InboundMessage {
  const payload = Buffer.from(JSON.stringify({ pattern: TOPIC, data: {} }));
  return { topic: TOPIC, payload, qos: 1, retain: false, replayed: false, clientId: 'c', sender, receivedAt: 0 };
}

describe('RequestDesk', () => {
  it('does nothing for a sender whose login has ended while the request waited, and counts it', async () => {
    const worked: string[] = [];
    const handler = async (_: unknown, { caller }: { caller: Principal }) => void worked.push(caller.id);
    const route = new RequestRoute(
      TOPIC,
      (bytes) => JSON.parse(bytes.toString()) as Json,
      new TopicConfig(),
      handler as never,
    );
    const desk = new RequestDesk(async () => undefined);
    const key = (id: string): Principal => ({ kind: 'key', id, scopes: new Set(['admin']), tags: null });
    const [good, revoked] = [key('good'), key('revoked')];
    // More than are worked on at once, so that the last one waits.
    const first = Array.from({ length: 100 }, (_, i) => desk.take(route, requestOf(good), i));
    const last = desk.take(route, requestOf(revoked), 100);
    endLogin(revoked);
    await Promise.all([...first, last]);
    expect(new Set(worked)).toEqual(new Set(['good']));
    expect(desk.counts).toMatchObject({ received: 101, done: 100, refused: 1 });
  });
});
