import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { SendSummary } from '../../src/cli/command/summary.js';
import { type CommandBody, newDevice, TestDevice } from '../control/command-client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { endWithUs } from '../support/guard.mjs';
import { get } from '../support/http.js';
import { SimulatorRun } from '../support/simulator.js';

const PROGRAM = resolve('dist/cli/signalbox.js');

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});
afterEach(() => SimulatorRun.endAll());

/** Runs `signalbox command send` against the service at `url`. */
function run(url: string, args: readonly string[], input = '') {
  const child = spawn(process.execPath, [PROGRAM, 'command', 'send', ...args, '--url', url]);
  endWithUs(child);
  const printed = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = once(child, 'close').then(([code]) => ({ ...printed, code: code as number | null }));
  return { child, printed, ended };
}

const send = (args: readonly string[], input = '') => run(signalbox.httpUrl, args, input).ended;
const summaryOf = ({ out }: { readonly out: string }) => JSON.parse(out) as SendSummary;
const read = async (id: string) => (await get<CommandBody>(`${signalbox.httpUrl}/v1/commands/${id}`)).body;

describe('signalbox command send', () => {
  it('sends one command, waits for its end and prints what became of it', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const options = ['--params', '{"speed": 3}', '--ttl', '5m', '--max-attempts', '2', '--metadata', '{"who": "me"}'];
    const sending = send([device.deviceId, 'TURN_ON', ...options, '--wait', '30']);
    const { id, type } = await device.nextCommand();
    expect(type).toBe('TURN_ON');
    const command = await read(id);
    expect(command).toMatchObject({ params: { speed: 3 }, metadata: { who: 'me' } });
    expect(Date.parse(command.expiresAt) - Date.parse(command.createdAt)).toBe(300_000);
    await device.answer(id, { status: 'succeeded', result: { t: 21.5 } });
    const { code, out } = await sending;
    expect(out).toBe(`${device.deviceId}: SUCCEEDED (executed)  result {"t":21.5}  command ${id}\n`);
    expect(code).toBe(0);
    await device.end();
  });

  it('shows how it goes while it waits', async () => {
    const devices = await Promise.all([1, 2].map(() => TestDevice.listen(signalbox, newDevice())));
    const ids = devices.flatMap(({ deviceId }) => ['--device', deviceId]);
    const { printed, ended } = run(signalbox.httpUrl, ['X', ...ids, '--wait', '60s']);
    await devices[0]!.answer((await devices[0]!.nextCommand()).id, { status: 'succeeded' });
    await eventually('the progress', () =>
      /s {2}sent 2\/2 {2}final 1 {2}succeeded 1 {2}failed 0 {2}expired 0 {2}[\d.]+\/s\n/.test(printed.out),
    );
    await devices[1]!.answer((await devices[1]!.nextCommand()).id, { status: 'rejected', code: 'BUSY' });
    const { code, out } = await ended;
    expect(out).toMatch(
      /\n2 devices, [\d.]+ s: succeeded 1, failed 1\n {2}device-\S+ REJECTED \(not_executed\) {2}BUSY /,
    );
    expect(code).toBe(1);
    await Promise.all(devices.map((device) => device.end()));
  });

  it('ends with 1 where the device did not do it, and says why', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const sending = send([device.deviceId, 'TURN_ON', '--wait']);
    const { id } = await device.nextCommand();
    await device.answer(id, { status: 'failed', code: 'JAMMED', message: 'the valve is stuck' });
    const { code, out } = await sending;
    expect(out).toContain('FAILED (executed_with_error)  JAMMED: the valve is stuck');
    expect(code).toBe(1);
    await device.end();
  });

  it('ends with 0 as soon as the command is accepted where its end is not waited for', async () => {
    const { code, out } = await send([newDevice(), 'TURN_ON', '--json']);
    expect(summaryOf({ out })).toMatchObject({ devices: 1, verdicts: { accepted: 1 } });
    expect(code).toBe(0);
  });

  it('ends with 1 where the end did not come within the wait, or Signalbox refused', async () => {
    const open = await send([newDevice(), 'X', '--json', '--wait=1s']);
    expect([open.code, summaryOf(open).verdicts]).toEqual([1, { open: 1 }]);
    const refused = await send([newDevice(), 'NO TYPE', '--json']);
    expect([refused.code, summaryOf(refused).commands[0]]).toMatchObject([
      1,
      { verdict: 'refused', error: { code: 'VALIDATION_FAILED' } },
    ]);
  });

  it('takes devices from options, a file and standard input, each once', async () => {
    const [one, two, three] = [newDevice(), newDevice(), newDevice()];
    const args = ['X', '--device', one, '--device', two, '--devices-from', '-', '--json'];
    const { code, out } = await send(args, `# ours\n${two}\r\n\n  ${three}  # the third\n`);
    expect(summaryOf({ out }).commands.map(({ deviceId }) => deviceId)).toEqual([one, two, three]);
    expect(code).toBe(0);
  });

  it.each([
    [[]],
    [['X']],
    [['pump', 'X', 'Y']],
    [['pump', 'X', '--device', 'other']],
    [['X', '--device', 'a/b']],
    [['X', '--devices-from', '/nothing/there']],
    [['X', '--devices-from', '-']],
    [['pump', 'X', '--params', '[]']],
    [['pump', 'X', '--params', '{']],
    [['pump', 'X', '--ttl', 'soon']],
    [['pump', 'X', '--mode', 'never']],
    [['pump', 'X', '--url', 'mqtt://localhost']],
    [['--wait', 'pump', 'X']],
    [['pump', 'X', '--unknown']],
  ])('ends with 2 and sends nothing for %j', async (args) => {
    const { code, out, err } = await run('http://127.0.0.1:1', args).ended;
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
  });

  it('ends with 69 where nothing answers', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const url = `http://127.0.0.1:${port}`;
    const fleet = ['X', ...Array.from({ length: 40 }, (_, i) => ['--device', `d${i}`]).flat()];
    const { code, out, err } = await run(url, [...fleet, '--json', '--retry-for', '1s']).ended;
    expect([code, summaryOf({ out }).verdicts]).toEqual([69, { unreachable: 40 }]);
    expect(err).toContain('ECONNREFUSED');
  });
});

describe('signalbox command send beside a service in trouble', () => {
  let server: Server;
  let requests: { readonly key: string; readonly at: number }[];

  /** A service whose answers to the requests are these, one after the other; the last one for all that follow. */
  async function service(
    ...answers: readonly ('cut' | readonly [number, Record<string, string>, object])[]
  ): Promise<string> {
    requests = [];
    server = createServer((request: IncomingMessage, response) => {
      requests.push({ key: String(request.headers['idempotency-key']), at: performance.now() });
      const answer = answers[Math.min(requests.length, answers.length) - 1]!;
      const [status, headers, body] = answer === 'cut' ? [] : answer;
      if (status === undefined) request.socket.destroy();
      else response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  afterEach(() => new Promise((done) => server.close(done)));

  const command = {
    id: 'c',
    deviceId: 'pump',
    status: 'PENDING',
    final: false,
    outcome: 'not_executed',
    result: null,
    error: null,
  };

  it('tries again with the same key, and not before Retry-After is over', async () => {
    const url = await service(
      [503, { 'retry-after': '1' }, { code: 'STORAGE_UNAVAILABLE' }],
      'cut',
      [429, {}, { code: 'QUEUE_FULL' }],
      [202, {}, command],
    );
    const { code } = await run(url, ['pump', 'X']).ended;
    expect(code).toBe(0);
    expect(requests).toHaveLength(4);
    expect(new Set(requests.map(({ key }) => key)).size).toBe(1);
    expect(requests[0]!.key).toMatch(/^[0-9a-f-]{36}$/);
    expect(requests[1]!.at - requests[0]!.at).toBeGreaterThan(990);
  });

  it('gives up where that would be later than it may try', async () => {
    const url = await service([503, { 'retry-after': '60' }, { code: 'STORAGE_UNAVAILABLE', detail: 'away' }]);
    const { code, out } = await run(url, ['pump', 'X', '--retry-for', '2s']).ended;
    expect([code, out]).toEqual([1, 'pump: refused  STORAGE_UNAVAILABLE: away\n']);
    expect(requests).toHaveLength(1);
  });

  it('does not ask again for what is refused for good', async () => {
    const url = await service([422, {}, { code: 'X', detail: 'no' }]);
    expect((await run(url, ['pump', 'X']).ended).code).toBe(1);
    expect(requests).toHaveLength(1);
  });

  it('prints the command when it is interrupted while it waits', async () => {
    const url = await service([202, {}, command], [503, { 'retry-after': '20' }, { code: 'STORAGE_UNAVAILABLE' }]);
    const { child, ended } = run(url, ['pump', 'X', '--wait']);
    await eventually('it has asked for the end', () => requests.length === 2);
    child.kill('SIGTERM');
    const { code, out } = await ended;
    expect([code, out]).toEqual([1, expect.stringContaining('pump: PENDING (not_executed)')]);
  });

  it('prints what is known when it is interrupted', async () => {
    const url = await service([503, { 'retry-after': '20' }, { code: 'STORAGE_UNAVAILABLE' }]);
    const { child, ended } = run(url, ['pump', 'X', '--json']);
    await eventually('it has asked', () => requests.length === 1);
    child.kill('SIGINT');
    const { code, out } = await ended;
    expect(code).toBe(1);
    expect(summaryOf({ out }).commands).toHaveLength(1);
  });
});

describe('1,000 commands to 1,000 simulated devices', () => {
  it('all end, and each is executed once', async () => {
    const fleet = ['--devices', '1000', '--rate', '0', '--fault-rate', '0', '--json'];
    const simulator = new SimulatorRun('--url', signalbox.mqttUrl, ...fleet);
    await eventually('all are online', () => simulator.err.includes('online 1000/1000'), 60_000);
    const ids = Array.from({ length: 1_000 }, (_, i) => `sim-${String(i + 1).padStart(4, '0')}`);
    const args = ['TURN_ON_FAN', '--devices-from', '-', '--ttl', '2m', '--wait', '120s', '--json'];
    const { out, code } = await send(args, ids.join('\n'));
    const { verdicts, commands } = summaryOf({ out });
    const { succeeded = 0, failed = 0 } = verdicts;
    expect(succeeded + failed).toBe(1_000);
    expect(code).toBe(failed === 0 ? 0 : 1);
    expect(commands.map(({ deviceId }) => deviceId)).toEqual(ids);
    const ended = await get<{ readonly items: readonly CommandBody[] }>(
      `${signalbox.httpUrl}/v1/commands?type=TURN_ON_FAN&limit=1000&status=SUCCEEDED,FAILED`,
    );
    expect(ended.body.items).toHaveLength(1_000);
    const { commands: executed } = await simulator.interrupt();
    expect(executed).toMatchObject({ succeeded, failed });
  }, 120_000);
});
