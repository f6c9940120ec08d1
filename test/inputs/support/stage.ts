import { expect } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { bearer } from '../../support/access.js';
import { eventually } from '../../support/eventually.js';
import type { Answer, ProblemBody } from '../../support/http.js';
import { get, post } from '../../support/http.js';
import { connectDevice, type Device } from '../../support/mqtt.js';
import { type Service, startService, temporaryDirectory } from '../../support/process.js';

/** One line of the program's log. */
export interface LogLine {
  readonly level: string | number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

type Counts = Readonly<Record<string, number>>;

interface Health {
  readonly broker: { readonly clients: number; readonly counters: Counts };
  readonly http: { readonly refused: Counts };
  readonly readings: Counts;
}

/** What a refused request must say of itself, beside being a problem document. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** What `errors` points at: a JSON pointer, a parameter or a header. */
  readonly at?: string;
}

/** How a device logs in over MQTT. */
export interface DeviceLogin {
  readonly username: string;
  readonly password: string;
}

const NEIGHBOUR = 'neighbour';

async function registerAt(url: string, headers: Record<string, string>, id: string): Promise<DeviceLogin> {
  const { status, body } = await post<{ credential: { secret: string } }>(`${url}/v1/devices`, { id }, headers);
  expect(status).toBe(201);
  return { username: id, password: body.credential.secret };
}

/**
 * The program as it runs in production, with a neighbour: a device that is connected all the time and publishes in between.
 * What is thrown at the program must leave both as they were.
 */
export class Stage {
  private said = 0;
  private neighbourLost = false;

  private constructor(
    readonly service: Service,
    private readonly neighbour: Device,
    private readonly removeDirectory: () => void,
    /** The login of our own requests. */
    readonly own: Readonly<Record<string, string>>,
  ) {
    neighbour.client.once('close', () => (this.neighbourLost = true));
    neighbour.client.on('error', () => (this.neighbourLost = true));
  }

  /** Starts the program. Where `settings` has an ADMIN_KEY, the neighbour is a device that was registered with it. */
  static async start(settings: Record<string, string> = {}): Promise<Stage> {
    const directory = temporaryDirectory();
    const service = await startService(directory.path, settings);
    const own = settings['ADMIN_KEY'] === undefined ? {} : bearer(settings['ADMIN_KEY']);
    const login = 'authorization' in own ? await registerAt(service.httpUrl, own, NEIGHBOUR) : {};
    const neighbour = await connectDevice(service.mqttUrl, { clientId: NEIGHBOUR, ...login });
    return new Stage(service, neighbour, () => directory.remove(), own);
  }

  /** Registers a device over REST; resolves with its login. */
  register(id: string): Promise<DeviceLogin> {
    return registerAt(this.service.httpUrl, this.own, id);
  }

  /** GETs a path with our own login. */
  get<T = unknown>(path: string): Promise<Answer<T>> {
    return get<T>(this.url(path), this.own);
  }

  url(path: string): string {
    return `${this.service.httpUrl}${path}`;
  }

  async health(): Promise<Health> {
    return (await this.get<Health>('/health')).body;
  }

  /** Counts of the embedded broker, by name. */
  async broker(): Promise<Counts> {
    return (await this.health()).broker.counters;
  }

  /** Makes a request that is to be refused: one problem document in the form of the contract, counted once under its code. */
  async refuses(
    { status, code, at }: Refusal,
    request: () => Promise<Answer<ProblemBody>>,
  ): Promise<Answer<ProblemBody>> {
    const before = (await this.health()).http.refused;
    const answer = await request();
    const { headers, body } = answer;
    expect([answer.status, body.status, body.code]).toEqual([status, status, code]);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(body).toMatchObject({
      type: `urn:signalbox:error:${code}`,
      title: expect.stringMatching(/\w/),
      detail: expect.stringMatching(/^[A-Za-z].*\w/),
      instance: expect.stringMatching(/^(\/[^?]*)?$/),
      requestId: headers.get('x-request-id'),
    });
    expect(JSON.stringify(body)).not.toMatch(/node_modules|\.js:\d|Error:/);
    if (at !== undefined) {
      const places = (body.errors ?? []).map(({ pointer, parameter, ...rest }) => pointer ?? parameter ?? rest);
      expect(places).toEqual([at]);
    }
    expect((await this.health()).http.refused).toEqual({ ...before, [code]: (before[code] ?? 0) + 1 });
    return answer;
  }

  /** The log so far. Fails where a line is no JSON object with a level and a message: somebody has written a line of his own. */
  log(): LogLine[] {
    const lines = this.service.output().split('\n').slice(0, -1);
    return lines.map((line) => {
      const record = JSON.parse(line) as LogLine;
      expect(record).toMatchObject({ level: expect.anything(), msg: expect.any(String) });
      return record;
    });
  }

  /** The rule above both tables: the process lives, its log tells of no error and holds no secret, and the neighbour goes on. */
  async holds(...secrets: readonly string[]): Promise<void> {
    expect(this.service.child.exitCode).toBeNull();
    await this.neighbour.publish(`devices/${NEIGHBOUR}/up/telemetry`, JSON.stringify({ n: ++this.said }));
    expect(this.neighbourLost).toBe(false);
    const readings = await this.get<{ payload: { n: number } }[]>(`/sensors?deviceId=${NEIGHBOUR}&limit=10000`);
    expect(readings.body.map(({ payload }) => payload.n)).toEqual(Array.from({ length: this.said }, (_, n) => n + 1));
    expect(this.log().filter(({ level }) => /^(error|fatal|50|60)$/.test(String(level)))).toEqual([]);
    for (const secret of secrets) expect(this.service.output()).not.toContain(secret);
  }

  /** The one line that the log gets of what `act` does. The log has one a second of each kind, so that kind must be new. */
  async lineOf(act: () => Promise<unknown>): Promise<LogLine> {
    const before = this.log().length;
    await act();
    const lines = await eventually('a line in the log', () => this.log().length > before && this.log().slice(before));
    expect(lines).toHaveLength(1);
    return lines[0]!;
  }

  /** Every code that was counted has its line in the log, and no request has two. */
  async logsRefusals(): Promise<void> {
    const lines = () => this.log().filter(({ msg }) => msg === 'request refused');
    const { refused } = (await this.health()).http;
    await eventually('the log has all codes', () => {
      expect([...new Set(lines().map(({ code }) => code))].toSorted()).toEqual(Object.keys(refused).toSorted());
      return true;
    });
    const requests = lines().map(({ requestId }) => requestId);
    expect(new Set(requests).size).toBe(requests.length);
  }

  /** Memory that the program has in use now, in bytes. */
  resident(): number {
    const status = readFileSync(`/proc/${this.service.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1_024;
  }

  async stop(): Promise<void> {
    await this.neighbour.end();
    expect(await this.service.stop()).toBe(0);
    this.removeDirectory();
  }
}
