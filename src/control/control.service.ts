import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { newId } from '../common/ids.js';
import type { Json } from '../common/json.js';
import { TopicConfig } from '../config/topic.config.js';
import { DeviceService } from '../device/device.service.js';
import { MqttPublisher } from '../mqtt/publisher.js';
import type { DeviceLink } from '../storage/log.js';
import { type Command, foreignPayload, isFinalWhenSent, MAX_PARAMS_BYTES, nativePayload } from './command.js';
import { CommandRepository } from './command.repository.js';
import { ControlErrors } from './control.errors.js';
import { fingerprintOf, type KeyedRequest, type RequestKey } from './idempotency.js';

/** A command to be sent. `params` is a JSON object of at most 32 KiB. */
export interface CommandRequest {
  readonly deviceId: string;
  readonly type: string;
  readonly params: { readonly [name: string]: Json };
}

/** A command that was asked for; `replayed` where an earlier request with the same key had made it. */
export interface SentCommand {
  readonly command: Command;
  readonly replayed: boolean;
}

const DEFAULTS = { ttlMs: 60_000, resultTimeoutMs: 30_000, maxAttempts: 3 };

/** How long a stop waits for sends that hang, because the database does. */
const STOP_WAIT_MS = 3_000;

/** Sends commands to devices and tells what is known of them. A state is written only for a fact that was observed. */
@Injectable()
export class ControlService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ControlService.name);
  private readonly sending = new Set<Promise<void>>();

  constructor(
    private readonly commands: CommandRepository,
    private readonly devices: DeviceService,
    private readonly publisher: MqttPublisher,
    private readonly topics: TopicConfig,
  ) {}

  /**
   * Stores the command and begins to send it; resolves with the PENDING command once it is committed. Where a request with
   * the same `key` and content came within 24 h, on whichever replica, nothing is stored or sent, and its command is given as
   * it is now. Throws BAD_COMMAND, STORAGE_UNAVAILABLE (at once while the database is away), and IDEMPOTENCY_KEY_REUSED where the content is another.
   */
  async send(request: CommandRequest, key: RequestKey | null = null): Promise<SentCommand> {
    this.commands.refuseWhileDown();
    const keyed = key && { ...key, fingerprint: fingerprintOf({ ...request }) };
    const earlier = keyed && (await this.replay(keyed));
    if (earlier) return { command: earlier, replayed: true };
    const command = await this.commandFor(request);
    try {
      await this.create(command, keyed);
    } catch (error) {
      // Another request with this key was committed first, so that nothing of this one was.
      const first = keyed && (await this.replay(keyed));
      if (!first) throw error;
      // Unless it is this one, whose commit was answered late: then nobody else sends it.
      if (first.id !== command.id) return { command: first, replayed: true };
    }
    this.track(this.publish(command));
    return { command, replayed: false };
  }

  private async commandFor({ deviceId, type, params }: CommandRequest): Promise<Command> {
    const link = (await this.devices.linkOf(deviceId)) === 'native' ? 'native' : this.linkUnlessNative();
    refuseBadParams(params, link);
    const createdAt = Date.now();
    return {
      id: newId(),
      deviceId,
      link,
      type,
      params,
      mode: link === 'foreign' ? 'none' : 'result',
      status: 'PENDING',
      final: false,
      attempts: 0,
      createdAt,
      expiresAt: createdAt + DEFAULTS.ttlMs,
      metadata: {},
      history: [{ status: 'PENDING', at: createdAt }],
    };
  }

  private async create(command: Command, keyed: KeyedRequest | null): Promise<void> {
    const { deviceId, link, createdAt } = command;
    const policy = { offline: 'queue', order: 'parallel', coalesceKey: null, ...DEFAULTS } as const;
    await this.commands.create(command, policy, this.devices.registration(deviceId, link, createdAt), keyed);
  }

  /** The command of an earlier request with this key, or null. */
  private async replay(keyed: KeyedRequest): Promise<Command | null> {
    const earlier = await this.commands.findKey(keyed, Date.now());
    if (!earlier) return null;
    if (earlier.fingerprint !== keyed.fingerprint) {
      const detail = 'Another request was made with this key within the last 24 h. Use a new key for each request.';
      throw ControlErrors.IDEMPOTENCY_KEY_REUSED(detail);
    }
    return this.commands.find(earlier.commandId);
  }

  /** The command as it is now. Throws COMMAND_UNKNOWN. */
  async get(id: string): Promise<Command> {
    const command = await this.commands.find(id);
    if (!command) throw ControlErrors.COMMAND_UNKNOWN('There is no command with this id.');
    return command;
  }

  /** A stop waits up to 3 s until every send that has begun is recorded, while broker and database are still there. */
  async beforeApplicationShutdown(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_WAIT_MS)));
    await Promise.race([Promise.all(this.sending), late]);
    clearTimeout(timer);
  }

  /** A device never seen natively is foreign where DEVICE_TOPICS says where its commands would go. */
  private linkUnlessNative(): DeviceLink {
    return this.topics.deviceTopics.some(({ command }) => command) ? 'foreign' : 'native';
  }

  private async publish(command: Command): Promise<void> {
    const attempt = await this.commands.beginAttempt(command.id);
    await this.publisher.publish({ ...this.onTheWire(command, attempt), qos: 1 });
    const change = { status: 'SENT', at: Date.now(), attempt } as const;
    await this.commands.raise(command.id, change, isFinalWhenSent(command.mode));
  }

  private onTheWire(command: Command, attempt: number): { readonly topic: string; readonly payload: string } {
    const { deviceId, id, link } = command;
    if (link === 'native') {
      const topic = `${this.topics.prefix}/${deviceId}/down/commands/${id}`;
      return { topic, payload: nativePayload(command, attempt, Date.now()) };
    }
    const template = this.topics.deviceTopics.find((entry) => entry.command)!.command!;
    return { topic: template.topicFor({ deviceId }), payload: foreignPayload(command) };
  }

  private track(sending: Promise<void>): void {
    const tracked = sending
      .catch((error: unknown) => this.logger.error({ msg: 'command not sent', error: String(error) }))
      .finally(() => this.sending.delete(tracked));
    this.sending.add(tracked);
  }
}

function refuseBadParams(params: Readonly<Record<string, Json>>, link: DeviceLink): void {
  if (Buffer.byteLength(JSON.stringify(params)) > MAX_PARAMS_BYTES) {
    throw badParams(`params may have at most ${MAX_PARAMS_BYTES} bytes as JSON`);
  }
  if (link === 'foreign' && Object.hasOwn(params, 'command')) {
    throw badParams('params may not hold "command": this device gets the command under that name');
  }
}

function badParams(detail: string): Error {
  return ControlErrors.BAD_COMMAND(`${detail}.`, { errors: [{ pointer: '/params', detail, code: 'BAD_PARAMS' }] });
}
