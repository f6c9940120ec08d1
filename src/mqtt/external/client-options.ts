import { createSecureContext } from 'node:tls';
import type { IClientOptions } from 'mqtt';
import { StartupError } from '../../common/startup.error.js';
import type { BrokerConfig } from '../../config/broker.config.js';

const CONNECT_TIMEOUT_MS = 10_000;

function isSecure(url: URL): boolean {
  return url.protocol === 'mqtts:' || url.protocol === 'wss:';
}

/** Throws a StartupError (exit code 78) where our certificates cannot be used: nothing but a changed setting helps. */
export function checkCertificates({ url, ca, cert, key }: BrokerConfig): void {
  if (!url || !isSecure(url)) return;
  try {
    createSecureContext({ ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  } catch (error) {
    throw new StartupError(
      `The certificates for the broker cannot be used: ${(error as Error).message}.`,
      'MQTT_CA, MQTT_CERT and MQTT_KEY must be PEM files, and the key must belong to the certificate.',
      78,
    );
  }
}

/** Where the broker is, without anything that could be a secret. */
export function publicUrl({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/**
 * What all connections share. mqtt.js keeps one network connection and nothing more: it neither reconnects nor subscribes
 * again nor keeps what could not be sent, because a client that lives as long as its socket cannot mix two of them up.
 */
export function clientOptions(broker: BrokerConfig, url: URL): IClientOptions {
  const { username, password, keepalive, ca, cert, key } = broker;
  const isWeb = url.protocol.startsWith('ws');
  const hostname = isWeb ? url.hostname : url.hostname.replaceAll(/[[\]]/g, '');
  return {
    protocol: url.protocol.slice(0, -1) as 'mqtt' | 'mqtts' | 'ws' | 'wss',
    hostname,
    host: hostname,
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(isWeb ? { path: `${url.pathname}${url.search}` } : {}),
    ...(username === '' ? {} : { username, password }),
    ...(isSecure(url) ? { ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) } : {}),
    keepalive,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    log: () => {},
  };
}
