import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { eventually } from '../support/eventually.js';
import { endWithUs } from '../support/guard.mjs';
import { endChild, type Mosquitto, freePort, startMosquitto } from '../support/services.js';

const PLUGIN = 'mosquitto_dynamic_security.so';
/** Our own login: an admin of the plugin. */
export const GATEWAY = { username: 'signalbox', password: 'our-own-password' };

interface Command {
  readonly command: string;
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly command: string;
  readonly error?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A client that tried to connect, and what became of it. */
export interface Attempt {
  readonly client: MqttClient;
  readonly isIn: boolean;
  /** The broker, or the test, has closed the connection. */
  readonly isOut: () => boolean;
}

/** A Mosquitto with the dynamic-security plugin, as docs/operations.md sets it up. */
export class DynsecBroker {
  private readonly clients: MqttClient[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-dynsec-'));
  private mosquitto!: Mosquitto;

  private constructor(readonly port: number) {}

  static async start(): Promise<DynsecBroker> {
    const broker = new DynsecBroker(await freePort());
    broker.forget();
    await broker.run();
    await broker.allowGateway();
    return broker;
  }

  /** Settings of a Signalbox that keeps its accounts here. */
  get settings(): Record<string, string> {
    return {
      MQTT_URL: `mqtt://127.0.0.1:${this.port}`,
      MQTT_USERNAME: GATEWAY.username,
      MQTT_PASSWORD: GATEWAY.password,
      MQTT_DYNSEC: 'on',
    };
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.end(true);
    await this.mosquitto.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The broker is away until {@link run}. */
  async away(): Promise<void> {
    await this.mosquitto.stop();
  }

  async run(): Promise<void> {
    const lines = ['allow_anonymous false', `plugin ${pluginPath()}`, `plugin_opt_config_file ${this.file}`];
    this.mosquitto = await startMosquitto({ port: this.port, config: lines.join('\n') });
  }

  /** The plugin's file is as after its installation: all that was in it is forgotten. */
  forget(): void {
    rmSync(this.file, { force: true });
    execFileSync('mosquitto_ctrl', ['dynsec', 'init', this.file, GATEWAY.username, GATEWAY.password], {
      stdio: 'ignore',
    });
  }

  /** Lets our own login publish, with the commands of docs/operations.md. */
  private async allowGateway(): Promise<void> {
    const commands = /^ {4}mosquitto_ctrl -u signalbox dynsec (.+)$/gm;
    const found = [...readFileSync('docs/operations.md', 'utf8').matchAll(commands)];
    if (found.length !== 3) throw new Error('docs/operations.md does not say how our login is set up');
    const [createRole, addRight, giveRole] = found.map(([, command]) => command!.replaceAll("'", '').split(' '));
    this.control(...createRole!);
    this.control(...addRight!);
    // The plugin throws a login out whose roles change, here the command itself, which then spins for 9 s.
    const giving = spawn('mosquitto_ctrl', this.controlArguments(giveRole!), { stdio: 'ignore' });
    endWithUs(giving);
    await eventually('our login may publish', () => this.rolesKept(GATEWAY.username).includes('gateway'));
    await endChild(giving, 'SIGKILL');
  }

  /** Runs `mosquitto_ctrl dynsec` by hand. */
  control(...command: string[]): void {
    execFileSync('mosquitto_ctrl', this.controlArguments(command), { stdio: 'ignore' });
  }

  /** Sends commands to the plugin and resolves with its answers, errors included. */
  async ask(...commands: Command[]): Promise<Answer[]> {
    const client = await connectAsync(`mqtt://127.0.0.1:${this.port}`, { ...GATEWAY, reconnectPeriod: 0 });
    try {
      await client.subscribeAsync('$CONTROL/dynamic-security/v1/response');
      const correlationData = `test-${Math.random()}`;
      const answer = new Promise<Answer[]>((resolve) => {
        client.on('message', (_, payload) => {
          const { responses } = JSON.parse(payload.toString()) as {
            responses: (Answer & { correlationData?: string })[];
          };
          if (responses[0]?.correlationData === correlationData) {
            resolve(responses.map(({ correlationData: _own, ...rest }) => rest));
          }
        });
      });
      const payload = { commands: commands.map((command) => ({ ...command, correlationData })) };
      await client.publishAsync('$CONTROL/dynamic-security/v1', JSON.stringify(payload), { qos: 1 });
      return await answer;
    } finally {
      await client.endAsync();
    }
  }

  /** The account as the plugin has it, or null. */
  async account(username: string): Promise<Readonly<Record<string, unknown>> | null> {
    const [answer] = await this.ask({ command: 'getClient', username });
    return (answer!.data?.['client'] as Record<string, unknown> | undefined) ?? null;
  }

  /** Tries to connect as a device does. */
  async login(id: string, secret: string, options: IClientOptions = {}): Promise<Attempt> {
    const client = mqtt.connect(`mqtt://127.0.0.1:${this.port}`, {
      clientId: id,
      username: id,
      password: secret,
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...options,
    });
    this.clients.push(client);
    let out = false;
    client.on('error', () => {});
    const isIn = await new Promise<boolean>((resolve) => {
      client.once('connect', () => resolve(true));
      client.once('close', () => {
        out = true;
        resolve(false);
      });
    });
    return { client, isIn, isOut: () => out };
  }

  private controlArguments(command: readonly string[]): string[] {
    const login = ['-h', '127.0.0.1', '-p', String(this.port), '-u', GATEWAY.username, '-P', GATEWAY.password];
    return [...login, 'dynsec', ...command];
  }

  /** The roles of an account in the plugin's file. */
  private rolesKept(username: string): readonly string[] {
    const { clients } = JSON.parse(readFileSync(this.file, 'utf8')) as {
      readonly clients: readonly {
        readonly username: string;
        readonly roles?: readonly { readonly rolename: string }[];
      }[];
    };
    const roles = clients.find((client) => client.username === username)?.roles ?? [];
    return roles.map(({ rolename }) => rolename);
  }

  private get file(): string {
    return join(this.directory, 'dynamic-security.json');
  }
}

/** Debian keeps it in the directory of the machine's architecture. */
function pluginPath(): string {
  const root = '/usr/lib';
  const directories = [root, ...readdirSync(root).map((name) => join(root, name))];
  const path = directories.map((directory) => join(directory, PLUGIN)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`${PLUGIN} is missing; it comes with the package mosquitto`);
  return path;
}
