import { readFileSync } from 'node:fs';
import { IsIn, IsInt, Matches, Max, Min } from 'class-validator';
import { isLoopback } from './loopback.js';
import { Secret, Setting, wholeNumber } from './setting.decorator.js';

const SCHEMES = new Set(['mqtt:', 'mqtts:', 'ws:', 'wss:']);

function brokerUrl(text: string): URL | null {
  if (text === '') return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !SCHEMES.has(url.protocol) || url.hostname === '') {
    throw new Error('must look like mqtt://broker.example:1883 (also mqtts, ws, wss)');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error('must not carry a login: put it into MQTT_USERNAME and MQTT_PASSWORD (or MQTT_PASSWORD_FILE)');
  }
  return url;
}

function pemFile(path: string): Buffer | null {
  if (path === '') return null;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`must be a PEM file that can be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

/** An external broker, where MQTT_URL names one, and how its readings are shared among the replicas. */
export class BrokerConfig {
  /** Null: the broker is embedded. */
  @Setting('MQTT_URL', '', brokerUrl)
  readonly url!: URL | null;

  @Setting('MQTT_USERNAME', '')
  readonly username!: string;

  @Secret('MQTT_PASSWORD', '')
  readonly password!: string;

  /** Client id of the connection that publishes; empty: one of its own for each process. */
  @Setting('MQTT_CLIENT_ID', '')
  @Matches(/^([A-Za-z0-9][A-Za-z0-9._:-]{0,127})?$/, {
    message: 'must be at most 128 letters, digits or . _ : - and begin with a letter or digit',
  })
  readonly clientId!: string;

  /** Seconds. */
  @Setting('MQTT_KEEPALIVE', '30', wholeNumber)
  @IsInt()
  @Min(5, { message: 'must be from 5 to 1200 seconds' })
  @Max(1200, { message: 'must be from 5 to 1200 seconds' })
  readonly keepalive!: number;

  /** Certificates (PEM) that the broker's is checked against, instead of those of the system. */
  @Setting('MQTT_CA', '', pemFile)
  readonly ca!: Buffer | null;

  /** Our own certificate and its key (PEM), for brokers that ask for one. */
  @Setting('MQTT_CERT', '', pemFile)
  readonly cert!: Buffer | null;

  @Setting('MQTT_KEY', '', pemFile)
  readonly key!: Buffer | null;

  @Setting('MQTT_SHARE_GROUP', 'signalbox')
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    message: 'must be 1 to 64 letters, digits or . _ - and begin with a letter or digit',
  })
  readonly shareGroup!: string;

  /** Number of reading sessions over all replicas. */
  @Setting('MQTT_SEATS', '4', wholeNumber)
  @IsInt()
  @Min(1, { message: 'must be from 1 to 64' })
  @Max(64, { message: 'must be from 1 to 64' })
  readonly seats!: number;

  @Setting('MQTT_SERVICES', 'auto')
  @IsIn(['auto', 'on', 'off'], { message: 'must be auto, on or off' })
  readonly services!: 'auto' | 'on' | 'off';

  /** Whether the logins of devices are kept in Mosquitto's dynamic-security plugin. */
  @Setting('MQTT_DYNSEC', 'off')
  @IsIn(['on', 'off'], { message: 'must be on or off' })
  readonly dynsec!: 'on' | 'off';

  /** Whether requests of other services on `services/#` are answered: by default where only this machine reaches the broker. */
  get answersServices(): boolean {
    if (this.services !== 'auto') return this.services === 'on';
    return this.url === null || isLoopback(this.url.hostname.replaceAll(/[[\]]/g, ''));
  }
}
