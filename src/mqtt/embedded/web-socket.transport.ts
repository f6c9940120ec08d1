import { createServer, type IncomingMessage, type ServerOptions } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { CertificateFiles } from '../../common/certificate-files.js';
import { isTlsError } from '../../common/certificates.js';
import type { DomainError } from '../../common/errors.js';
import { HttpErrors } from '../../common/http.errors.js';
import { newId } from '../../common/ids.js';
import { PROBLEM_JSON, problemBytes } from '../../common/problem.js';
import { endWithProblem } from '../../common/socket-problem.js';
import { certificateOptions, shownCertificate } from './client-certificate.js';
import { addressOf, type Incoming, SOCKET_OPTIONS, type Transport, type TransportEvents } from './transport.js';
import { SUBPROTOCOL, upgradeProblem, type UpgradeRules, WEB_SOCKET_PATH } from './upgrade-rules.js';

/** One whole MQTT packet of the largest size in a message; ws keeps a message until it is whole. */
const MAX_MESSAGE_BYTES = 258 * 1_024;
/** The same before the client is let in, so that strangers cannot fill the memory. */
const MAX_STRANGERS_MESSAGE_BYTES = 16_384;
const BUFFER_BYTES = 65_536;
const MAX_HEADER_BYTES = 16_384;
/** Close codes of RFC 6455, 7.4.1. */
const UNSUPPORTED_DATA = 1003;

/** What ws keeps of a connection and its types leave out; a test on the wire pins it. */
interface Receiving {
  readonly _receiver: { _maxPayload: number };
}

/**
 * MQTT over WebSocket (MQTT 3.1.1, chapter 6), on TLS where there are `certificates`. An upgrade that the rules refuse is answered
 * with a problem document; text frames, and messages that are too large, close the connection.
 */
export function webSocketTransport(
  rules: UpgradeRules,
  certificates: CertificateFiles | null,
  events: TransportEvents,
): Transport {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_STRANGERS_MESSAGE_BYTES,
    handleProtocols: () => SUBPROTOCOL,
  });
  const options: ServerOptions = { ...SOCKET_OPTIONS, maxHeaderSize: MAX_HEADER_BYTES };
  const server = certificates
    ? createSecureServer({ ...options, ...certificates.options, ...certificateOptions(certificates) })
    : createServer(options);
  const refuse = (problem: DomainError, socket: Duplex, address: string): void => {
    events.onRefused('upgrade', problem.message, address);
    endWithProblem(socket, problem, newId());
  };
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const address = addressOf(socket);
    socket.on('error', () => {}); // its end says enough
    const { name, problem } = socket instanceof TLSSocket ? shownCertificate(socket) : { name: null, problem: null };
    if (problem !== null) {
      events.onRefused('certificate', problem, address);
      socket.destroy();
      return;
    }
    const refusal = upgradeProblem(request, rules);
    if (refusal) return refuse(refusal, socket, address);
    sockets.handleUpgrade(request, socket, head, (client) => {
      events.onConnection(incomingOf(client, address, name, events));
    });
  });
  sockets.on('wsClientError', (error: Error, socket: Duplex) => {
    refuse(
      HttpErrors.BAD_REQUEST(`This is no WebSocket handshake: ${error.message}.`),
      socket,
      addressOf(socket as Socket),
    );
  });
  server.on('request', (_, response) => {
    const problem = HttpErrors.UPGRADE_REQUIRED(`This port is for MQTT over WebSocket, at ${WEB_SOCKET_PATH}.`);
    const headers = { connection: 'close, Upgrade', upgrade: 'websocket', 'content-type': PROBLEM_JSON };
    response.writeHead(problem.spec.status, headers).end(problemBytes(problem, '', newId()));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const address = addressOf(socket as Socket);
    if (!isTlsError(error.code))
      return refuse(HttpErrors.BAD_REQUEST('This is not a valid HTTP/1.1 request.'), socket, address);
    events.onRefused('tls', error.code ?? '', address);
    socket.destroy();
  });
  if (certificates) certificates.keepCurrent(server as ReturnType<typeof createSecureServer>);
  return { scheme: certificates ? 'wss' : 'ws', path: WEB_SOCKET_PATH, variable: 'MQTT_WS_PORT', server };
}

function incomingOf(
  client: WebSocket,
  address: string,
  certificateName: string | null,
  events: TransportEvents,
): Incoming {
  const stream = createWebSocketStream(client, {
    readableHighWaterMark: BUFFER_BYTES,
    writableHighWaterMark: BUFFER_BYTES,
  });
  client.prependListener('message', (_, isBinary) => {
    if (isBinary) return;
    events.onRefused('frame', 'a text frame; MQTT comes in binary frames', address); // [MQTT-6.0.0-1]
    client.close(UNSUPPORTED_DATA);
    stream.destroy();
  });
  client.on('error', (error) => events.onRefused('frame', error.message, address));
  return {
    stream,
    address,
    certificateName,
    admitted: () => {
      (client as unknown as Receiving)._receiver._maxPayload = MAX_MESSAGE_BYTES;
    },
  };
}
