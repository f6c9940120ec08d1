import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerConfig } from './broker.config.js';
import { ConfigError } from './config.error.js';
import { HttpConfig } from './http.config.js';
import { loadConfig } from './load-config.js';
import { MqttConfig } from './mqtt.config.js';
import { RetentionConfig } from './retention.config.js';
import { TopicConfig } from './topic.config.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-config-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const load = (environment: Record<string, string>) => loadConfig(environment, directory);

function problems(environment: Record<string, string>): readonly string[] {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, detail }) => `${variable} ${detail}`);
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('has working defaults for everything', () => {
    const config = load({});
    expect(config.get(HttpConfig)).toEqual({ host: '127.0.0.1', port: 3000, trustProxy: [] });
    expect(config.get(RetentionConfig)).toEqual({
      readings: 90 * 86_400_000,
      commands: 180 * 86_400_000,
      events: 90 * 86_400_000,
      messages: 7 * 86_400_000,
      rejects: 7 * 86_400_000,
      audit: 365 * 86_400_000,
    });
    const topics = config.get(TopicConfig);
    expect(topics.deviceTopics.map(({ telemetry, command }) => [telemetry.template, command?.template])).toEqual([
      ['poc/{deviceId}/sensor', 'poc/{deviceId}/control'],
    ]);
    expect(topics.messageTopics).toEqual(['demo/#', '/flask/#']);
    expect(config.warnings).toEqual([]);
  });

  it('lets the environment win over .env.local, and that over .env', () => {
    writeFileSync(join(directory, '.env'), 'HTTP_PORT=1\nMQTT_PORT=2\nHTTP_HOST=localhost\n');
    writeFileSync(join(directory, '.env.local'), 'HTTP_PORT=3\nMQTT_PORT=4\n');
    const config = load({ HTTP_PORT: '5' });
    expect(config.get(HttpConfig)).toEqual({ host: 'localhost', port: 5, trustProxy: [] });
    expect(config.get(MqttConfig).port).toBe(4);
  });

  it('takes a secret from a file, without the line end, and refuses it given twice or a file that cannot be read', () => {
    const path = join(directory, 'password');
    writeFileSync(path, 'hidden in a file\n');
    expect(load({ MQTT_PASSWORD_FILE: path }).get(BrokerConfig).password).toBe('hidden in a file');
    expect(problems({ MQTT_PASSWORD_FILE: path, MQTT_PASSWORD: 'x' })).toEqual([
      'MQTT_PASSWORD is given twice: leave out either MQTT_PASSWORD or MQTT_PASSWORD_FILE',
    ]);
    expect(problems({ DATABASE_URL_FILE: join(directory, 'none') })).toEqual([
      'DATABASE_URL DATABASE_URL_FILE must be a file that can be read (ENOENT)',
    ]);
  });

  it('answers other services by itself only where this machine alone reaches the broker', () => {
    const answers = (settings: Record<string, string>) => load(settings).get(BrokerConfig).answersServices;
    expect(answers({})).toBe(true);
    expect(answers({ MQTT_SERVICES: 'off' })).toBe(false);
    expect(answers({ MQTT_URL: 'mqtt://127.0.0.1' })).toBe(true);
    expect(answers({ MQTT_URL: 'mqtt://[::1]:1883' })).toBe(true);
    expect(answers({ MQTT_URL: 'mqtt://broker.example' })).toBe(false);
    expect(answers({ MQTT_URL: 'mqtt://broker.example', MQTT_SERVICES: 'on' })).toBe(true);
  });

  it('refuses accounts in a plugin of the embedded broker, which has none', () => {
    expect(problems({ MQTT_DYNSEC: 'on' })[0]).toContain('MQTT_DYNSEC needs MQTT_URL');
    expect(problems({ MQTT_DYNSEC: 'on', MQTT_URL: 'mqtt://broker' })).toEqual([]);
  });

  it('takes certificates only where they can be used', () => {
    const pem = join(directory, 'file.pem');
    writeFileSync(pem, 'pem');
    expect(problems({ MQTT_URL: 'mqtts://broker', MQTT_CERT: pem })[0]).toContain('MQTT_KEY is missing');
    expect(problems({ MQTT_URL: 'mqtts://broker', MQTT_KEY: pem })[0]).toContain('MQTT_CERT is missing');
    expect(problems({ MQTT_URL: 'mqtt://broker', MQTT_CA: pem })[0]).toContain('MQTT_URL must begin with mqtts://');
    expect(problems({ MQTT_URL: 'mqtts://broker', MQTT_CA: pem, MQTT_CERT: pem, MQTT_KEY: pem })).toEqual([]);
  });

  it('lists every wrong setting at once, by name and never by value', () => {
    const wrong = {
      HTTP_PORT: '70000',
      MQTT_PORT: '0x10',
      RETENTION_READINGS: 'secret-1',
      LOG_LEVEL: 'secret-2',
      DEVICE_TOPICS: 'a/{deviceId}/b => c',
      ACCESS: 'secret-4',
      ADMIN_KEY: 'secret-5',
      DATABASE_URL: 'mysql://user:secret-3@host/db',
      HTTP_HOST: '',
      MQTT_HOST: '8.8.8.8',
    };
    const found = problems(wrong);
    expect(found.map((text) => text.split(' ')[0]).toSorted()).toEqual(Object.keys(wrong).toSorted());
    expect(found.join()).not.toContain('secret');
  });

  it('checks topics against each other although other settings are wrong', () => {
    const found = problems({ HTTP_PORT: 'abc', DEVICE_TOPICS: 'devices/{deviceId}/x' });
    expect(found.map((text) => text.split(' ')[0])).toEqual(['HTTP_PORT', 'DEVICE_TOPICS']);
  });

  it.each([
    ['HTTP_PORT', '-1'],
    ['HTTP_PORT', ''],
    ['HTTP_PORT', '3000 '],
    ['MQTT_HOST', 'broker.example'],
    ['MQTT_HOST', ''],
    ['MQTT_PORT', '3000'],
    ['MQTT_URL', 'http://broker'],
    ['MQTT_URL', 'mqtt://user:secret@broker'],
    ['MQTT_SEATS', '0'],
    ['MQTT_KEEPALIVE', '1'],
    ['MQTT_SERVICES', 'maybe'],
    ['MQTT_CLIENT_ID', 'a/b'],
    ['MQTT_SHARE_GROUP', 'a/b'],
    ['MQTT_CA', '/no/such/file.pem'],
    ['DATABASE_URL', 'mysql://host/db'],
    ['DATABASE_URL_FILE', '/no/such/file'],
    ['MQTT_DEVICE_RATE', 'fast'],
    ['TOPIC_PREFIX', 'a/b/c'],
    ['TOPIC_PREFIX', ''],
    ['TOPIC_PREFIX', 'a/+'],
    ['TOPIC_PREFIX', 'services'],
    ['DEVICE_TOPICS', 'poc/sensor'],
    ['DEVICE_TOPICS', 'poc/{deviceId}/{deviceId}'],
    ['DEVICE_TOPICS', '{deviceId}/sensor'],
    ['DEVICE_TOPICS', 'devices/{deviceId}/sensor'],
    ['DEVICE_TOPICS', 'services/{deviceId}/sensor'],
    ['DEVICE_TOPICS', 'a/{deviceId}/b => devices/{deviceId}/down/x'],
    ['MESSAGE_TOPICS', 'a#'],
    ['MESSAGE_TOPICS', '$SYS/#'],
    ['PUBLISH_TOPIC', 'a/+'],
    ['RETENTION_REJECTS', '7'],
    ['RETENTION_REJECTS', '-1d'],
    ['DATA_DIR', ''],
    ['LOG_FORMAT', 'xml'],
    ['DEVICE_REGISTRATION', 'shut'],
    ['ADMIN_KEY', 'sbx_short'],
    ['HTTP_KEY_RATE', '-1'],
    ['MQTT_AUTH_SECRET', 'short'],
  ])('refuses %s=%j and names it alone', (variable, value) => {
    const found = problems({ [variable]: value });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${variable.replace(/_FILE$/, '')} `));
  });

  it('says how to use a broker elsewhere when MQTT_HOST is not this machine', () => {
    expect(problems({ MQTT_HOST: '10.0.0.7' })[0]).toContain('to use a broker elsewhere set MQTT_URL');
  });

  it('warns of misspelt names of ours and of settings without effect, and not of well-known ones', () => {
    const { warnings } = load({
      HTPP_PORT: '1',
      MQTT_PROT: '2',
      MQTT_FOO: 'x',
      HTTP_PROXY: 'x',
      PATH: 'x',
      WEBHOOK_ALLOW: 'x',
    });
    expect(warnings.toSorted()).toEqual([
      'HTPP_PORT is no setting of Signalbox and is ignored; did you mean HTTP_PORT?',
      'MQTT_FOO is no setting of Signalbox and is ignored',
      'MQTT_PROT is no setting of Signalbox and is ignored; did you mean MQTT_PORT?',
      'WEBHOOK_ALLOW has no effect in this version',
    ]);
  });

  it('reads several foreign topics, with and without commands', () => {
    const { deviceTopics } = load({ DEVICE_TOPICS: 'a/{deviceId}/t ; b/{deviceId} => c/{deviceId}/cmd' }).get(
      TopicConfig,
    );
    expect(deviceTopics.map(({ telemetry, command }) => [telemetry.filter, command?.filter ?? null])).toEqual([
      ['a/+/t', null],
      ['b/+', 'c/+/cmd'],
    ]);
  });

  it.each([
    [{}, false, 'open'],
    [{ HTTP_HOST: '0.0.0.0' }, true, 'closed'],
    [{ MQTT_HOST: '0.0.0.0' }, true, 'closed'],
    [{ MQTT_HOST: '0.0.0.0', MQTT_URL: 'mqtt://broker' }, false, 'open'],
    [{ ACCESS: 'required' }, true, 'closed'],
    [{ ACCESS: 'required', DEVICE_REGISTRATION: 'approve' }, true, 'approve'],
    [{ ACCESS: 'open', DEVICE_REGISTRATION: 'closed' }, false, 'closed'],
  ])('makes of %j: login required %s, registration %s', (environment, required, registration) => {
    expect(load(environment as Record<string, string>).mode).toEqual({ required, registration });
  });

  it.each(['HTTP_HOST', 'MQTT_HOST'])('refuses open mode with %s on a network', (variable) => {
    expect(problems({ ACCESS: 'open', [variable]: '0.0.0.0' })).toEqual([
      expect.stringMatching(`^${variable} must be on loopback`),
    ]);
  });
});
