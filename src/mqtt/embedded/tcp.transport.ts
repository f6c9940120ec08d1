import { createServer } from 'node:net';
import { addressOf, SOCKET_OPTIONS, type Transport, type TransportEvents } from './transport.js';

/** MQTT over plain TCP. */
export function tcpTransport(events: TransportEvents): Transport {
  const server = createServer(SOCKET_OPTIONS, (stream) => {
    events.onConnection({ stream, address: addressOf(stream), certificateName: null, admitted: () => {} });
  });
  return { scheme: 'mqtt', path: '', variable: 'MQTT_PORT', server };
}
