import { belongTogether, certificatesIn, privateKeyIn, readCertificates, validityOf } from '../common/certificates.js';
import type { ConfigProblem } from './config.error.js';
import type { HttpConfig } from './http.config.js';
import { isLoopback } from './loopback.js';
import type { MqttConfig } from './mqtt.config.js';
import type { TlsConfig, WebSocketConfig } from './tls.config.js';

/** Ports of listeners by variable; null = no such listener. A port other than 0 may be used once. */
export function portProblems(ports: Readonly<Record<string, number | null>>): ConfigProblem[] {
  const entries = Object.entries(ports).filter(([, port]) => port !== null && port !== 0);
  return entries.flatMap(([variable, port], i) => {
    const first = entries.slice(0, i).find(([, other]) => other === port);
    return first ? [{ variable, detail: `is the same as ${first[0]}; each listener needs a port of its own` }] : [];
  });
}

/** The certificate and the key of `HTTP_TLS_*` or `MQTT_TLS_*`: both or none, and they belong together. */
export function pairProblems(listener: 'HTTP' | 'MQTT', cert: string | null, key: string | null): ConfigProblem[] {
  const certVariable = `${listener}_TLS_CERT`;
  const keyVariable = `${listener}_TLS_KEY`;
  if (cert === null && key === null) return [];
  if (key === null) return [{ variable: keyVariable, detail: `is missing: ${certVariable} needs its private key` }];
  if (cert === null) return [{ variable: certVariable, detail: `is missing: ${keyVariable} needs its certificate` }];
  if (!belongTogether(certificatesIn(cert), privateKeyIn(key))) {
    const detail = `does not belong to the first certificate in the file of ${certVariable}`;
    return [{ variable: keyVariable, detail }];
  }
  try {
    readCertificates({ cert, key, ca: null });
    return [];
  } catch (error) {
    return [{ variable: certVariable, detail: `cannot be used for ${(error as Error).message}` }];
  }
}

/** Settings of the embedded broker's TLS and WebSocket listeners that have no listener to belong to, or lack something. */
export function embeddedListenerProblems(
  tls: TlsConfig,
  webSocket: WebSocketConfig,
  isExternal: boolean,
): ConfigProblem[] {
  const set = {
    MQTT_TLS_PORT: tls.mqttPort !== null,
    MQTT_TLS_CERT: tls.mqttCert !== null,
    MQTT_TLS_KEY: tls.mqttKey !== null,
    MQTT_TLS_CA: tls.mqttCa !== null,
    MQTT_WS_PORT: webSocket.port !== null,
    MQTT_WS_ORIGINS: webSocket.origins.length > 0,
  };
  if (isExternal) {
    const detail = 'belongs to the embedded broker, and MQTT_URL names another one: leave out one of the two';
    return Object.entries(set).flatMap(([variable, isSet]) => (isSet ? [{ variable, detail }] : []));
  }
  const problems: ConfigProblem[] = [];
  if (set.MQTT_TLS_PORT && !set.MQTT_TLS_CERT && !set.MQTT_TLS_KEY) {
    problems.push({ variable: 'MQTT_TLS_PORT', detail: 'needs MQTT_TLS_CERT and MQTT_TLS_KEY' });
  }
  if (set.MQTT_TLS_CERT && !set.MQTT_TLS_PORT && !set.MQTT_WS_PORT) {
    problems.push({
      variable: 'MQTT_TLS_CERT',
      detail: 'has no listener: set MQTT_TLS_PORT (8883, say) or MQTT_WS_PORT',
    });
  }
  if (set.MQTT_TLS_CA && !set.MQTT_TLS_CERT) {
    problems.push({ variable: 'MQTT_TLS_CA', detail: 'needs MQTT_TLS_CERT and MQTT_TLS_KEY' });
  }
  if (set.MQTT_WS_ORIGINS && !set.MQTT_WS_PORT) {
    problems.push({ variable: 'MQTT_WS_ORIGINS', detail: 'needs MQTT_WS_PORT' });
  }
  return problems;
}

/** Certificates that are not valid now: no reason to stop, since a clock may be wrong and the files may be replaced. */
export function certificateWarnings(tls: TlsConfig, now = Date.now()): string[] {
  const files: readonly (readonly [string, string | null])[] = [
    ['HTTP_TLS_CERT', tls.httpCert],
    ['MQTT_TLS_CERT', tls.mqttCert],
    ['MQTT_TLS_CA', tls.mqttCa],
  ];
  return files.flatMap(([variable, path]) =>
    (path === null ? [] : certificatesIn(path)).flatMap((certificate) => {
      const { from, to } = validityOf(certificate);
      if (to.getTime() < now) return [`${variable} has expired (${to.toISOString()}): clients will refuse it`];
      return from.getTime() > now ? [`${variable} is valid only from ${from.toISOString()} on`] : [];
    }),
  );
}

/** Listeners on a network whose bytes everybody on the way can read. `isEmbedded`: the MQTT listeners are ours. */
export function clearTextWarnings(
  http: HttpConfig,
  mqtt: MqttConfig,
  tls: TlsConfig,
  webSocket: WebSocketConfig,
  isEmbedded: boolean,
): string[] {
  const warnings: string[] = [];
  if (!isLoopback(http.host) && tls.http === null) {
    warnings.push('HTTP_HOST is on a network, and without HTTP_TLS_CERT keys cross it in the clear');
  }
  if (!isEmbedded || isLoopback(mqtt.host)) return warnings;
  warnings.push('MQTT_PORT is on a network: what logs in there is sent in the clear, on MQTT_TLS_PORT it is not');
  if (webSocket.port !== null && tls.mqtt === null) {
    warnings.push('MQTT_WS_PORT is on a network, and without MQTT_TLS_CERT what logs in there is sent in the clear');
  }
  return warnings;
}
