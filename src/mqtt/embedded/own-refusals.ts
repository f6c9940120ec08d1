import type { AedesClient } from './aedes-client.js';
import type { Audit } from './audit.js';

/** What aedes says of a publish to an empty topic or one with wildcards, before it asks `authorizePublish`. */
const BAD_TOPIC = /^(empty topic|# is|\+ is) not allowed in PUBLISH$/;

/**
 * Counts and logs what aedes and its parser refuse without asking anybody: packets that cannot be read [MQTT-4.8.0-1], and
 * publishes to a topic that is empty or has wildcards [MQTT-3.3.2-2, MQTT-4.7.3-1]. They close the client.
 */
export function watchOwnRefusals(client: AedesClient, audit: Audit, address: string): void {
  const note = (name: string, msg: string, detail: string) =>
    audit.note(name, msg, () => ({ detail, client: client.id, address }));
  client._parser.once('error', ({ message }: Error) => note('refused.packet', 'client closed', message));
  client.on('error', ({ message }: Error) => {
    if (BAD_TOPIC.test(message)) note('refused.topic', 'publish refused, client closed', message);
  });
}
