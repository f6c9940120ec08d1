import { Injectable, Logger } from '@nestjs/common';
import { maySend, type Principal } from '../common/access.js';
import { decodeCursor, type Page, pageOf } from '../common/cursor.js';
import { formatTime } from '../common/clock.js';
import { DeviceErrors } from '../common/device.errors.js';
import { refuseBackwards } from '../common/interval.js';
import { HttpErrors } from '../common/http.errors.js';
import { newId } from '../common/ids.js';
import { LimitedLog } from '../common/limited-log.js';
import { DeviceService } from '../device/device.service.js';
import { RegistryService } from '../device/registry.service.js';
import type { DeviceLink } from '../storage/log.js';
import { type Command, type CommandRequest, MAX_OPEN, newCommand } from './command.js';
import { CommandDispatcher } from './command.dispatcher.js';
import { CommandJournal } from './command.journal.js';
import { type CommandFilter, CommandRepository } from './command.repository.js';
import { CommandSender } from './command.sender.js';
import { CommandWaiter, type WaitGoal } from './command.waiter.js';
import { CommandWire } from './command.wire.js';
import { refuseBadRequest } from './command.request.js';
import { ControlErrors } from './control.errors.js';
import { fingerprintOf, type KeyedRequest, type RequestKey } from './idempotency.js';

/** How a command is asked for, and by whom. */
export interface SendOptions {
  readonly caller: Principal;
  /** Under which a repeat of the request gets the same command; null: each request makes one. */
  readonly key?: RequestKey | null;
  /** How a device that was never seen is reached: natively, or on the first foreign topic for commands, where there is one. */
  readonly unseen?: DeviceLink;
}

/** A command that was asked for; `replayed` where an earlier request with the same key had made it. */
export interface SentCommand {
  readonly command: Command;
  readonly replayed: boolean;
}

/** Seconds after which a device with a full queue may have room again. */
const QUEUE_RETRY_S = 5;

/** Commands to devices, and what is known of them. A state is told only for a fact that was observed. */
@Injectable()
export class ControlService {
  private readonly log = new LimitedLog(new Logger(ControlService.name));

  constructor(
    private readonly commands: CommandRepository,
    private readonly journal: CommandJournal,
    private readonly dispatcher: CommandDispatcher,
    private readonly sender: CommandSender,
    private readonly waiter: CommandWaiter,
    private readonly wire: CommandWire,
    private readonly devices: DeviceService,
    private readonly registry: RegistryService,
  ) {}

  /**
   * Stores the command and begins to send it; resolves with the PENDING command once it is committed. Where a request with
   * the same key and content came within 24 h, on whichever replica, nothing is stored or sent, and its command is given as
   * it is now. Throws FORBIDDEN, DEVICE_UNKNOWN, DEVICE_PENDING, DEVICE_DISABLED, BAD_COMMAND, DEVICE_OFFLINE, QUEUE_FULL,
   * STORAGE_UNAVAILABLE (at once while the database is away), and IDEMPOTENCY_KEY_REUSED where the content is another.
   */
  async send(request: CommandRequest, { caller, key = null, unseen = 'native' }: SendOptions): Promise<SentCommand> {
    if (!maySend(caller, request.type)) {
      throw HttpErrors.FORBIDDEN(`This login may not send commands of the type ${request.type}.`);
    }
    this.commands.refuseWhileDown();
    const keyed = key && { ...key, fingerprint: fingerprintOf(key.content) };
    // What happened to the device since does not change that the command was made; that it is hidden now does.
    if (keyed) await this.registry.requireVisible(caller, request.deviceId);
    const earlier = keyed && (await this.replay(keyed));
    if (earlier) return { command: earlier, replayed: true };
    const device = await this.registry.requireCommandable(caller, request.deviceId);
    const link = this.wire.hasForeignTopics ? (device?.link ?? unseen) : 'native';
    refuseBadRequest(request, link);
    if (request.coalesceKey !== null) await this.refuseToSupersede(request.deviceId, request.coalesceKey, caller);
    if (request.offline === 'fail') await this.refuseOffline(request.deviceId);
    const command = newCommand(request, newId(), link, Date.now(), caller.id);
    try {
      return { command: await this.create(command, keyed), replayed: false };
    } catch (error) {
      // Another request with this key was committed first, so that nothing of this one was.
      const first = keyed && (await this.replay(keyed));
      if (!first) throw error;
      // Unless it is this one, whose commit was answered late.
      if (first.id === command.id) this.dispatcher.begin(first);
      return { command: first, replayed: first.id !== command.id };
    }
  }

  /** The command as it is now. Throws COMMAND_UNKNOWN, also where its device is hidden from the caller. */
  async get(id: string, caller: Principal): Promise<Command> {
    const command = await this.commands.find(id);
    if (!command || (await this.registry.hides(caller, command.deviceId))) throw unknown();
    return command;
  }

  /**
   * The command when it has reached the goal, whichever replica brings it there, or as it is after `ms` or when `signal` aborts.
   * Throws COMMAND_UNKNOWN where its device was hidden from the caller meanwhile.
   */
  async wait(command: Command, caller: Principal, goal: WaitGoal, ms: number, signal: AbortSignal): Promise<Command> {
    const latest = await this.waiter.until(command, goal, ms, signal);
    if (await this.registry.hides(caller, latest.deviceId)) throw unknown();
    return latest;
  }

  /** A page of the commands of one device, as `list` gives it. Throws DEVICE_UNKNOWN besides, where there are neither commands nor a device. */
  async listOf(
    caller: Principal,
    deviceId: string,
    filter: CommandFilter,
    limit: number,
    cursor: string | null,
  ): Promise<Page<Command>> {
    await this.registry.requireVisible(caller, deviceId);
    const page = await this.list(caller, { ...filter, deviceIds: [deviceId] }, limit, cursor);
    if (page.items.length === 0 && (await this.devices.linkOf(deviceId)) === null) {
      throw DeviceErrors.DEVICE_UNKNOWN('There is no device with this id.');
    }
    return page;
  }

  /** A page of commands to devices that the caller sees, newest first. Throws BAD_RANGE, BAD_CURSOR, CURSOR_MISMATCH. */
  async list({ tags }: Principal, asked: CommandFilter, limit: number, cursor: string | null): Promise<Page<Command>> {
    const filter = tags === null ? asked : { ...asked, tags };
    refuseBackwards(filter.from, filter.to);
    const scope = { list: 'commands', ...filter };
    const after = cursor === null ? null : (decodeCursor(cursor, scope) as unknown as readonly [number, number]);
    const rows = await this.commands.list(filter, after, limit + 1);
    return pageOf(
      rows,
      limit,
      scope,
      ({ createdAt, seq }) => [createdAt, seq],
      (command) => command,
    );
  }

  /**
   * Cancels a command that was never sent, which ends it, or asks the device to, with no more sends; asked again, the device
   * is told again. Throws COMMAND_UNKNOWN, FORBIDDEN, and COMMAND_FINAL where it has ended.
   */
  async cancel(id: string, caller: Principal): Promise<Command> {
    const { type } = await this.get(id, caller);
    if (!maySend(caller, type)) throw HttpErrors.FORBIDDEN(`This login may not cancel commands of the type ${type}.`);
    const entry = await this.journal.enter(id, () => ({ kind: 'cancel', at: Date.now(), by: caller.id }));
    if (!entry) throw unknown();
    const { command, changed } = entry;
    if (!command.final) void this.notify(command);
    else if (!changed) throw ControlErrors.COMMAND_FINAL(`The command has ended: it is ${command.status}.`);
    return command;
  }

  private async create(command: Command, keyed: KeyedRequest | null): Promise<Command> {
    const { deviceId, link, createdAt } = command;
    const seq = await this.commands.create(command, this.devices.registration(deviceId, link, createdAt), keyed);
    if (seq === null) {
      const detail = `The device has ${MAX_OPEN} commands that have not ended. Wait, or cancel some.`;
      throw ControlErrors.QUEUE_FULL(detail, { retryAfter: QUEUE_RETRY_S });
    }
    const stored = { ...command, seq };
    if (command.coalesceKey !== null) {
      // Where that fails, the older ones are found to be superseded when they are to be sent.
      await this.supersedeOlder(stored).catch((error: unknown) =>
        this.log.warn('supersede', () => ({ msg: 'older commands not superseded yet', error: String(error) })),
      );
    }
    this.dispatcher.begin(stored);
    return stored;
  }

  /** Takes the place of older commands with the same coalesce key, and lets what is being sent of them go out first. */
  private async supersedeOlder({ deviceId, coalesceKey, seq }: Command): Promise<void> {
    const older = (await this.commands.openOf(deviceId)).filter((one) => one.coalesceKey === coalesceKey);
    for (const { id } of older.filter((one) => one.seq < seq)) {
      await this.journal.enter(id, () => ({ kind: 'supersede', at: Date.now() }));
      await this.sender.settled(id);
    }
  }

  /** Who may not cancel a command may not take its place either. */
  private async refuseToSupersede(deviceId: string, coalesceKey: string, caller: Principal): Promise<void> {
    const older = (await this.commands.openOf(deviceId)).filter((one) => one.coalesceKey === coalesceKey);
    const other = older.find(({ type }) => !maySend(caller, type));
    if (!other) return;
    throw HttpErrors.FORBIDDEN(`This login may not take the place of a command of the type ${other.type}.`);
  }

  /** A command that is being sent arrives before the notice that it is no longer wanted. */
  private async notify(command: Command): Promise<void> {
    await this.sender.settled(command.id);
    await this.sender.sendCancelNotice(command);
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

  private async refuseOffline(deviceId: string): Promise<void> {
    const { state, lastSeen } = await this.devices.reachOf(deviceId);
    if (state !== 'offline' && state !== 'never') return;
    const detail = state === 'never' ? 'The device was never seen.' : 'The device is offline.';
    const extra = { lastSeen: lastSeen === null ? null : formatTime(lastSeen) };
    throw ControlErrors.DEVICE_OFFLINE(detail, { extra });
  }
}

function unknown(): Error {
  return ControlErrors.COMMAND_UNKNOWN('There is no command with this id.');
}
