import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { startPostgres } from '../support/postgres.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { describeWith, endChild, startMosquitto } from '../support/services.js';

const run = promisify(execFile);
const snippets = [...readFileSync('README.md', 'utf8').matchAll(/```sh\n([^]*?)```/g)].map(([, text]) => text!.trim());

let signalbox: Service;
const directory = temporaryDirectory();
beforeAll(async () => {
  signalbox = await startService(directory.path);
});
afterAll(async () => {
  await signalbox.stop();
  directory.remove();
});

/** Runs a snippet of the README as it stands, but for the ports, which are free ones here. */
async function runSnippet(start: string, extra = ''): Promise<string> {
  const snippet = snippets.find((text) => text.startsWith(start));
  if (snippet === undefined) throw new Error(`the README has no snippet that starts with ${start}`);
  const command = snippet
    .replaceAll('http://127.0.0.1:3000', signalbox.httpUrl)
    .replaceAll('-p 1883', `-p ${signalbox.mqttPort}`);
  const { stdout } = await run('bash', ['-c', `set -e; ${command}${extra}`], { timeout: 60_000 });
  return stdout;
}

describe('The README', () => {
  it('publishes with mosquitto_pub and reads back with curl', async () => {
    await runSnippet('mosquitto_pub -h 127.0.0.1 -p 1883 -q 1 -t devices/greenhouse-1');
    const readings = JSON.parse(await runSnippet("curl 'http://127.0.0.1:3000/sensors")) as { payload: unknown }[];
    expect(readings.map(({ payload }) => payload)).toEqual([{ temperature: 21.5, humidity: 40 }]);
  });

  it('shows a reading in the form in which it comes', async () => {
    const shown = /```json\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))![1]!;
    const { body } = await get<object[]>(`${signalbox.httpUrl}/sensors?deviceId=greenhouse-1`);
    const [example] = JSON.parse(shown) as object[];
    expect(Object.keys(body[0]!)).toEqual(Object.keys(example!));
    expect(body[0]).toMatchObject({ deviceId: 'greenhouse-1', payload: { temperature: 21.5, humidity: 40 } });
  });

  it('sends a device a command, and tells that it was done', async () => {
    const line = snippets.find((text) => text.startsWith('node examples/node/device.mjs'))!;
    const device = spawn('bash', ['-c', `exec ${line.replace('--port 1883', `--port ${signalbox.mqttPort}`)}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      const answer = await runSnippet('curl http://127.0.0.1:3000/v1/devices/greenhouse-2/commands');
      expect(JSON.parse(answer)).toMatchObject({ status: 'SUCCEEDED', outcome: 'executed', attempts: 1 });
    } finally {
      await endChild(device, 'SIGTERM');
    }
  });

  it('serves a foreign device', async () => {
    const device = await connectMqtt(signalbox.mqttUrl);
    const listener = await listenTo(device, 'poc/device/control');
    await runSnippet('mosquitto_pub -h 127.0.0.1 -p 1883 -q 1 -t poc/device/sensor');
    await runSnippet(
      'curl http://127.0.0.1:3000/control -H \'Content-Type: application/json\' -d \'{"command": "TURN_ON_FAN"}\'',
    );
    expect((await listener.next('the command')).payload).toBe('{"command":"TURN_ON_FAN"}');
    const { body } = await get<{ payload: unknown }[]>(`${signalbox.httpUrl}/sensors?deviceId=device`);
    expect(body.map(({ payload }) => payload)).toEqual([{ temperature: 21.5, humidity: 40 }]);
    await device.endAsync();
  });

  it('runs the simulator', async () => {
    await runSnippet('npm run simulate', ` --url ${signalbox.mqttUrl}`);
    await eventually('simulated readings are there', async () => {
      const { body } = await get<{ deviceId: string }[]>(`${signalbox.httpUrl}/sensors?limit=100`);
      return body.some(({ deviceId }) => deviceId.startsWith('sim-'));
    });
  }, 60_000);
});

describe('The README for a network', () => {
  it('makes certificates and an admin key, registers a device, and its own snippet gets the first reading in', async () => {
    const home = temporaryDirectory();
    const data = join(home.path, 'data');
    const inHome = (text: string) => text.replaceAll('data/', `${data}/`);
    const snippetOf = (start: string) => snippets.find((text) => text.startsWith(start))!;
    const environment = { ...process.env, DATA_DIR: data };
    const shell = async (command: string) =>
      (await run('bash', ['-c', `set -e; ${command}`], { timeout: 60_000, env: environment })).stdout;
    await shell(snippetOf('npm run -s signalbox -- cert dev'));
    const line = snippetOf('HTTP_HOST=0.0.0.0');
    expect(line).toMatch(/ npm start$/);
    const settings = Object.fromEntries(
      [...line.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name!, inHome(value!)]),
    );
    // The tests stay on loopback.
    const here = { HTTP_HOST: '127.0.0.1', MQTT_HOST: '127.0.0.1', MQTT_TLS_PORT: '0', ACCESS: 'required' };
    const service = await startService(home.path, { ...settings, ...here });
    try {
      const port = new URL(service.httpUrl).port;
      const curl = async (start: string) =>
        JSON.parse(
          await shell(`${inHome(snippetOf(start)).replace('localhost:3000', `localhost:${port}`)} -sS`),
        ) as Record<string, unknown>;
      const created = await curl('curl --cacert data/certs/ca.pem https://localhost:3000/v1/devices -H');
      const { secret } = created['credential'] as { secret: string };
      const guide = await curl(
        'curl --cacert data/certs/ca.pem https://localhost:3000/v1/devices/greenhouse-3/connect',
      );
      const { mosquitto_pub: publish } = guide['snippets'] as { mosquitto_pub: string };
      await shell(publish.replace('ca.pem', join(data, 'certs/ca.pem')).replace('<credential>', secret));
      const key = readFileSync(join(data, 'admin.key'), 'utf8');
      const answer = await shell(
        `curl -sS --cacert ${data}/certs/ca.pem https://localhost:${port}/sensors -H 'Authorization: Bearer ${key}'`,
      );
      expect(JSON.parse(answer)).toMatchObject([{ deviceId: 'greenhouse-3', payload: { temperature: 21.5 } }]);
    } finally {
      await service.stop();
      home.remove();
    }
  }, 90_000);
});

describeWith(['mosquitto', 'postgres'], 'The README for several replicas', () => {
  it('starts two that share a broker and a database', async () => {
    const [first, second] = [temporaryDirectory(), temporaryDirectory()];
    const [mosquitto, postgres] = await Promise.all([startMosquitto(), startPostgres()]);
    const database = await postgres.createDatabase();
    const lines = snippets.find((text) => text.startsWith('MQTT_URL='))!.split('\n');
    const services = await Promise.all(
      lines.map((line, i) => {
        expect(line).toMatch(/ npm start$/);
        const settings = Object.fromEntries(
          [...line.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name!, value!]),
        );
        expect(Object.keys(settings)).toEqual(['MQTT_URL', 'DATABASE_URL', 'HTTP_PORT']);
        const ours = { MQTT_URL: mosquitto.url, DATABASE_URL: database, HTTP_PORT: '0' };
        return startService([first, second][i]!.path, ours);
      }),
    );
    try {
      const device = await connectMqtt(mosquitto.url);
      await device.publishAsync('devices/greenhouse-1/up/telemetry', '{"temperature":21.5}', { qos: 1 });
      await device.endAsync();
      for (const { httpUrl } of services) {
        await eventually('the reading is there', async () => {
          const { body } = await get<{ payload: unknown }[]>(`${httpUrl}/sensors?deviceId=greenhouse-1`);
          return JSON.stringify(body.map(({ payload }) => payload)) === '[{"temperature":21.5}]';
        });
      }
    } finally {
      await Promise.all(services.map((service) => service.stop()));
      await Promise.all([mosquitto.stop(), postgres.remove()]);
      first.remove();
      second.remove();
    }
  }, 90_000);
});
