import type { CommandRequest } from '../../../src/control/command.js';
import { ControlService } from '../../../src/control/control.service.js';
import { createTestApp, type TestApp } from '../../support/app.js';
import { hasExternalBroker } from '../../support/backends.js';
import { eventually } from '../../support/eventually.js';
import { type Answer, get, post } from '../../support/http.js';
import { RawDevice, type RawDeviceOptions } from './raw-device.js';

/** A command as the REST API shows it. */
export interface CommandBody {
  readonly id: string;
  readonly deviceId: string;
  readonly mode: string;
  readonly status: string;
  readonly final: boolean;
  readonly outcome: string;
  readonly attempts: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly deadlineAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly progress: number | null;
  readonly result: unknown;
  readonly error: { readonly code: string | null; readonly message: string | null } | null;
  readonly lateResult: { readonly status: string; readonly at: string; readonly result: unknown } | null;
  readonly history: readonly {
    readonly status: string;
    readonly at: string;
    readonly attempt?: number;
    readonly by?: string;
  }[];
}

export interface Reject {
  readonly deviceId: string;
  readonly topic: string;
  readonly code: string;
  readonly detail: string;
}

/** Signalbox, and what tests of commands do with it over and over. */
export class Rig {
  private readonly devices = new Set<RawDevice>();
  private names = 0;

  private constructor(readonly signalbox: TestApp) {}

  static async start(settings: Record<string, string> = {}, dataDir?: string): Promise<Rig> {
    return new Rig(await createTestApp(settings, dataDir));
  }

  get control(): ControlService {
    return this.signalbox.app.get(ControlService);
  }

  /** A device id that no other test of this rig has. */
  name(): string {
    return `device-${++this.names}`;
  }

  /** A device that is connected from now on, until the end of the rig; `port` of a proxy before the broker. */
  async device(
    id: string,
    { port, ...options }: RawDeviceOptions & { readonly port?: number } = {},
  ): Promise<RawDevice> {
    const { mqttUrl: brokerUrl, mqttPort } = this.signalbox;
    const device = await RawDevice.connect({ brokerUrl, port: port ?? mqttPort }, id, options);
    this.devices.add(device);
    return device;
  }

  /** A device of which Signalbox knows that it is not there. */
  async offlineDevice(): Promise<string> {
    const id = this.name();
    const device = await this.device(id, { listens: false });
    // An external broker tells nothing; there a device says it, or its will does.
    if (hasExternalBroker) await device.say('status', { online: false }, true);
    device.end();
    return id;
  }

  /** Resolves with the id of the command. */
  async create(deviceId: string, more: Partial<Omit<CommandRequest, 'deviceId'>> = {}): Promise<string> {
    const url = `${this.signalbox.httpUrl}/v1/devices/${deviceId}/commands`;
    const { status, body, text } = await post<CommandBody>(url, { type: 'TEST', ...more });
    if (status !== 202) throw new Error(`not created: ${status} ${text}`);
    return body.id;
  }

  /** What the request to cancel is answered with. */
  cancel(id: string): Promise<Answer<CommandBody & { readonly code?: string }>> {
    return post(`${this.signalbox.httpUrl}/v1/commands/${id}/cancel`, {});
  }

  async read(id: string): Promise<CommandBody> {
    return (await get<CommandBody>(`${this.signalbox.httpUrl}/v1/commands/${id}`)).body;
  }

  /** The command once it is as `test` wants it. */
  async until(
    id: string,
    what: string,
    test: (command: CommandBody) => boolean,
    deadlineMs?: number,
  ): Promise<CommandBody> {
    let last: CommandBody | undefined;
    try {
      return await eventually(what, async () => test((last = await this.read(id))) && last, deadlineMs);
    } catch (error) {
      throw new Error(`${String(error)}; it is ${JSON.stringify(last)}`, { cause: error });
    }
  }

  final(id: string, deadlineMs?: number): Promise<CommandBody> {
    return this.until(id, 'the command has ended', ({ final }) => final, deadlineMs);
  }

  status(id: string, status: string, deadlineMs?: number): Promise<CommandBody> {
    return this.until(id, `the command is ${status}`, (command) => command.status === status, deadlineMs);
  }

  /** The rejects of a device, oldest first. */
  async rejects(deviceId: string): Promise<readonly Reject[]> {
    const url = `${this.signalbox.httpUrl}/v1/rejects?deviceId=${deviceId}&limit=1000`;
    return (await get<{ readonly items: Reject[] }>(url)).body.items.toReversed();
  }

  async close(): Promise<void> {
    for (const device of this.devices) device.end();
    await this.signalbox.close();
  }
}

/** The statuses of a command's history, in order. */
export function path({ history }: CommandBody): readonly string[] {
  return history.map(({ status }) => status);
}

/** Where the broker tells nothing of PUBACKs, DELIVERED is skipped. */
export const DELIVERED = hasExternalBroker ? [] : ['DELIVERED'];
