import { resolve } from 'node:path';
import { IsOptional } from 'class-validator';
import { type CertificatePaths, certificatesIn, privateKeyIn } from '../common/certificates.js';
import { IsPortNumber, Setting, wholeNumber } from './setting.decorator.js';

const CUSTOM_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+$/;

/** A port, 0 for any free one, or null for no listener. */
function optionalPort(text: string): number | null {
  return text === '' ? null : wholeNumber(text);
}

function certificateFile(path: string): string | null {
  if (path === '') return null;
  certificatesIn(path);
  return resolve(path);
}

function keyFile(path: string): string | null {
  if (path === '') return null;
  privateKeyIn(path);
  return resolve(path);
}

function origins(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== '')
    .map((part) => {
      // Apps have origins such as capacitor://localhost, for which URL knows none.
      if (CUSTOM_ORIGIN.test(part) || (URL.canParse(part) && new URL(part).origin === part)) return part;
      throw new Error('must be origins such as https://app.example, separated by commas');
    });
}

/** Certificates of the listeners (paths of PEM files, because they are read again when they change), and the port of MQTT over TLS. */
export class TlsConfig {
  @Setting('HTTP_TLS_CERT', '', certificateFile)
  readonly httpCert!: string | null;

  @Setting('HTTP_TLS_KEY', '', keyFile)
  readonly httpKey!: string | null;

  /** Null: no listener. 0 = any free port. */
  @Setting('MQTT_TLS_PORT', '', optionalPort)
  @IsOptional()
  @IsPortNumber()
  readonly mqttPort!: number | null;

  @Setting('MQTT_TLS_CERT', '', certificateFile)
  readonly mqttCert!: string | null;

  @Setting('MQTT_TLS_KEY', '', keyFile)
  readonly mqttKey!: string | null;

  /** What the certificates of devices are checked against; null: none are asked for. */
  @Setting('MQTT_TLS_CA', '', certificateFile)
  readonly mqttCa!: string | null;

  /** The HTTP listener's; null: it speaks plain HTTP. */
  get http(): CertificatePaths | null {
    return this.httpCert && this.httpKey ? { cert: this.httpCert, key: this.httpKey, ca: null } : null;
  }

  /** Those of the embedded broker's TLS and WebSocket listeners. */
  get mqtt(): CertificatePaths | null {
    return this.mqttCert && this.mqttKey ? { cert: this.mqttCert, key: this.mqttKey, ca: this.mqttCa } : null;
  }
}

/** MQTT over WebSocket at the embedded broker. */
export class WebSocketConfig {
  /** Null: no listener. 0 = any free port. */
  @Setting('MQTT_WS_PORT', '', optionalPort)
  @IsOptional()
  @IsPortNumber()
  readonly port!: number | null;

  /** Origins of pages that may connect besides our own, in lower case. */
  @Setting('MQTT_WS_ORIGINS', '', origins)
  readonly origins!: readonly string[];
}
