import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A connection over which MQTT comes in, whatever carries it. */
export interface Incoming {
  readonly stream: Duplex;
  /** IP address and port of the peer. */
  readonly address: string;
  /** CN of the client certificate that was verified; null where none was shown. */
  readonly certificateName: string | null;
  /** To be called when the client is let in: it may send large packets from then on. */
  admitted(): void;
}

/** Why a connection ends before MQTT has begun, or for what carries it. */
type TransportRefusal = 'tls' | 'certificate' | 'upgrade' | 'frame' | 'handshake';

export interface TransportEvents {
  /** The handshake is over. */
  onConnection(incoming: Incoming): void;
  /** A connection broke a rule of what carries MQTT, and is closed. */
  onRefused(why: TransportRefusal, detail: string, address: string): void;
}

/** One way to carry MQTT. Its server is told by its own `connection` event of each socket that comes in. */
export interface Transport {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  /** Of its URL; empty where there is none. */
  readonly path: string;
  /** The setting that says its port. */
  readonly variable: string;
  readonly server: Server;
}

const TCP_KEEPALIVE_MS = 60_000;

/** How the sockets of every transport are set up: a client with a keepalive of 0 that is gone without a word is noticed by TCP. */
export const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: TCP_KEEPALIVE_MS,
} as const;

/** The peer of a socket, which has none any more once it is closed, unless it was asked for before. */
export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
