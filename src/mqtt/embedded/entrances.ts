import type { Duplex } from 'node:stream';
import { CertificateFiles } from '../../common/certificate-files.js';
import { FleetingSet } from '../../common/fleeting.js';
import type { HttpConfig } from '../../config/http.config.js';
import type { MqttConfig } from '../../config/mqtt.config.js';
import type { TlsConfig, WebSocketConfig } from '../../config/tls.config.js';
import type { Audit } from './audit.js';
import { Listener, type ListenerEvents } from './listener.js';
import { tcpTransport } from './tcp.transport.js';
import { tlsTransport } from './tls.transport.js';
import type { Incoming, Transport, TransportEvents } from './transport.js';

/** Connections that have not sent their CONNECT yet; beyond them the oldest is closed. */
const MAX_PENDING = 2_000;

/** What says where the embedded broker listens. */
export interface EntranceSettings {
  readonly mqtt: MqttConfig;
  readonly tls: TlsConfig;
  readonly webSocket: WebSocketConfig;
  readonly http: HttpConfig;
  /** Open mode: WebSockets only from this machine. */
  readonly isOpen: boolean;
}

/** All listeners of the embedded broker: plain TCP, and TLS and WebSocket where the settings want them. */
export class Entrances {
  /** Where clients reach the broker: TCP first, then TLS, then WebSocket. */
  readonly urls: string[] = [];
  private readonly listeners: Listener[] = [];
  /** Those that have not sent their CONNECT, the oldest first. */
  private readonly pending = new FleetingSet<Duplex>();
  /** Those that aedes is letting in, and would leave alone at its own end. */
  private readonly entering = new FleetingSet<Duplex>();
  private closing = false;
  private readonly certificates: CertificateFiles | null;
  private readonly events: ListenerEvents;

  /** Throws a StartupError where the certificates cannot be used. */
  constructor(
    private readonly settings: EntranceSettings,
    private readonly audit: Audit,
    onConnection: (incoming: Incoming) => void,
  ) {
    const { tls } = settings;
    this.certificates = tls.mqtt === null ? null : new CertificateFiles(tls.mqtt, 'MQTT');
    this.events = {
      onOpened: (socket) => this.wait(socket, socket),
      onShaken: (socket) => this.pending.delete(socket),
      onConnection,
      onRefused: (why, detail, address) =>
        audit.note(`refused.${why}`, 'connection refused before MQTT', () => ({ detail, address })),
      onError: (error) => audit.note('error', 'listener error', () => ({ detail: error.message })),
    };
  }

  /** Opens all. Throws a StartupError where an address cannot be listened on. */
  async open(): Promise<void> {
    const { mqtt, tls, webSocket } = this.settings;
    await this.listen(tcpTransport, mqtt.port);
    const { certificates } = this;
    if (certificates && tls.mqttPort !== null) {
      await this.listen((events) => tlsTransport(certificates, events), tls.mqttPort);
    }
    if (webSocket.port !== null) {
      // Loaded only where it is used.
      const { webSocketTransport } = await import('./web-socket.transport.js');
      const rules = this.upgradeRules();
      await this.listen((events) => webSocketTransport(rules, certificates, events), webSocket.port);
    }
  }

  /** `stream` has not sent its CONNECT yet; it is forgotten when `carrier` closes. The oldest is closed where there are too many. */
  wait(stream: Duplex, carrier: Duplex): void {
    if (this.closing) {
      stream.destroy();
      return;
    }
    this.pending.add(stream);
    carrier.once('close', () => this.pending.delete(stream));
    if (this.pending.size > MAX_PENDING) this.closeOldest();
  }

  /** The CONNECT of `stream` is here. */
  arrived(stream: Duplex): void {
    this.pending.delete(stream);
    this.entering.add(stream);
    stream.once('close', () => this.entering.delete(stream));
  }

  /** The client of `stream` is let in. */
  admitted(stream: Duplex): void {
    this.entering.delete(stream);
  }

  /** Lets nobody in any more. */
  stop(): void {
    this.certificates?.stop();
    for (const listener of this.listeners) listener.stop();
  }

  /** Closes what is not let in yet. Resolves when every socket is gone; those of clients are closed by others. */
  async close(): Promise<void> {
    this.closing = true;
    for (const stream of [...this.pending.values(), ...this.entering.values()]) stream.destroy();
    await Promise.all(this.listeners.map((listener) => listener.emptied()));
  }

  private async listen(carry: (events: TransportEvents) => Transport, port: number): Promise<void> {
    const listener = new Listener(carry, this.events);
    this.listeners.push(listener);
    this.urls.push(await listener.listen(this.settings.mqtt.host, port));
  }

  private upgradeRules() {
    const { isOpen, webSocket, http, tls } = this.settings;
    return {
      isOpen,
      origins: webSocket.origins,
      isSecure: this.certificates !== null,
      http: { isSecure: tls.http !== null, port: http.port },
    };
  }

  private closeOldest(): void {
    const oldest = this.pending.oldest;
    if (!oldest) return;
    this.pending.delete(oldest);
    oldest.destroy(new Error('too many connections without CONNECT'));
    this.audit.note('refused.pending', 'too many connections without CONNECT, the oldest is closed', () => ({}));
  }
}
