import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LimitedLog } from '../common/limited-log.js';
import { AdmissionService } from '../device/admission.service.js';
import { DeviceService } from '../device/device.service.js';
import { MqttLink } from '../mqtt/link.js';
import type { Command } from './command.js';
import { CommandJournal, type Observation } from './command.journal.js';
import { COMMAND_RANK, dueAt, endOf } from './command.machine.js';
import { CommandRepository } from './command.repository.js';
import { CommandSender, type Sending } from './command.sender.js';

/** How often a replica looks for what is due although nothing here is, because another may have died over it, in milliseconds. */
const LOOK_MS = 1_000;
const DUE_AT_ONCE = 100;
/**
 * When a command is looked at again that could not be sent: its device is away, silent or busy with another. Of one that is
 * silent that grows with the time that the send is overdue, because each look is a write.
 */
const AGAIN_MS = { soon: 5_000, late: 60_000 };
const OVERDUE_SHARE = 0.25;
/** What was sent within this time is not sent again because the device asks for what is pending, in milliseconds. */
const ARRIVAL_MS = 2_000;

/**
 * Brings commands on in time: sends what is due, ends what is over, and sends what waits when a device begins to listen or
 * its queue moves. What is due are rows, so a restart or another replica goes on where one ended.
 */
@Injectable()
export class CommandDispatcher implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new LimitedLog(new Logger(CommandDispatcher.name));
  private readonly endings: (() => void)[] = [];
  /** Devices that have begun to listen while what waits for them could not be read or counted as sent. */
  private readonly missed = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private nextLook = Infinity;
  private looking = false;
  private stopped = false;

  constructor(
    private readonly commands: CommandRepository,
    private readonly journal: CommandJournal,
    private readonly sender: CommandSender,
    private readonly devices: DeviceService,
    private readonly admission: AdmissionService,
    private readonly link: MqttLink,
  ) {}

  onApplicationBootstrap(): void {
    this.endings.push(
      this.journal.onChange((after, before) => this.onChange(after, before)),
      this.devices.onListening((deviceId) => void this.onListening(deviceId)),
      this.admission.onAdmitted((deviceId) => void this.onListening(deviceId)),
      this.devices.onRemoval((deviceId) => this.cancelAll(deviceId)),
    );
    this.lookAt(Date.now());
  }

  onModuleDestroy(): void {
    this.stopped = true;
    for (const end of this.endings) end();
    clearTimeout(this.timer);
  }

  /** A command that has just been stored here. */
  begin(command: Command): void {
    this.lookAt(command.expiresAt);
    void this.sender.send(command);
  }

  /**
   * Sends what the device has not answered, oldest first and at most `max`; resolves with how many of them it gets now, those
   * included that were sent a moment ago: a device asks right after it has begun to listen, when what waited has just gone out.
   */
  async sendPending(deviceId: string, max: number): Promise<number> {
    const sent: string[] = [];
    // At a broker that tells nothing, what went out before a device said that it is there may have reached nobody.
    const wasThere = this.link.listeners !== null || (await this.devices.reachOf(deviceId)).state === 'online';
    for (const command of await this.commands.openOf(deviceId)) {
      if (sent.length === max) break;
      const isComing = (wasThere && isOnItsWay(command, Date.now())) || (await this.sender.send(command)) === 'sent';
      if (isComing || this.sender.isPublishing(command.id)) sent.push(command.id);
    }
    await Promise.all(sent.map((id) => this.sender.settled(id)));
    return sent.length;
  }

  /** A device that is to be removed gets nothing that was not on its way to it; what was is not sent again, and ends by its answer, or by time. */
  private async cancelAll(deviceId: string): Promise<void> {
    const observe: Observation = () => ({ kind: 'cancel', at: Date.now(), by: 'device removal' });
    for (const { id } of await this.commands.openOf(deviceId)) {
      const entry = await this.journal.enter(id, observe);
      if (!entry || entry.command.final) continue;
      await this.sender.settled(id);
      await this.sender.sendCancelNotice(entry.command);
    }
  }

  private async onListening(deviceId: string): Promise<void> {
    try {
      for (const command of await this.commands.openOf(deviceId)) {
        if (this.stopped) return;
        if (command.cancelRequestedAt !== null) await this.sender.sendCancelNotice(command);
        else if ((await this.sender.send(command)) === 'not this time') this.missed.add(deviceId);
      }
    } catch (error) {
      this.missed.add(deviceId);
      this.log.warn('listening', () => ({ msg: 'commands not looked at', deviceId, error: String(error) }));
    }
  }

  /** Nobody tells again that a device listens, and what waits for one that did not is not looked at before its end. */
  private async makeUp(): Promise<void> {
    // One that is missed again has its turn at the next look.
    const missed = [...this.missed];
    for (const deviceId of missed) {
      const open = await this.commands.openOf(deviceId);
      this.missed.delete(deviceId);
      for (const command of open) {
        if (this.stopped) return;
        // What went out in the meantime has its next attempt before it.
        if (command.nextAttemptAt === null || command.nextAttemptAt > Date.now()) continue;
        if ((await this.sender.send(command)) === 'not this time') this.missed.add(deviceId);
      }
    }
  }

  private onChange(after: Command, before: Command): void {
    const due = dueAt(after);
    if (due !== null) this.lookAt(due);
    if (after.order === 'fifo' && isOutOfTheWay(after) && !isOutOfTheWay(before))
      void this.advanceQueue(after.deviceId);
  }

  /** The head of a device's queue is out of the way. */
  private async advanceQueue(deviceId: string): Promise<void> {
    try {
      const open = await this.commands.openOf(deviceId);
      const head = open.find((command) => command.order === 'fifo' && !isOutOfTheWay(command));
      if (head?.attempts === 0 && !this.stopped) await this.sender.send(head);
    } catch (error) {
      this.log.warn('queue', () => ({ msg: 'queue not advanced', deviceId, error: String(error) }));
    }
  }

  private lookAt(time: number): void {
    if (this.stopped || time >= this.nextLook) return;
    this.nextLook = time;
    clearTimeout(this.timer);
    const wait = Math.min(Math.max(0, time - Date.now()), LOOK_MS);
    this.timer = setTimeout(() => void this.look(), wait);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    this.nextLook = Infinity;
    let next = Date.now() + LOOK_MS;
    try {
      await this.workOff();
      await this.makeUp();
      next = Math.min(next, (await this.commands.nextDue(Date.now())) ?? Infinity);
    } catch (error) {
      this.log.warn('look', () => ({ msg: 'due commands not looked at', error: String(error) }));
    } finally {
      this.looking = false;
      // What was asked for meanwhile has not found its timer.
      const asked = this.nextLook;
      this.nextLook = Infinity;
      this.lookAt(Math.min(next, asked));
    }
  }

  private async workOff(): Promise<void> {
    for (;;) {
      const due = await this.commands.due(Date.now(), DUE_AT_ONCE);
      const results = await Promise.allSettled(due.map((command) => this.bringOn(command)));
      const failure = results.find((result) => result.status === 'rejected');
      if (failure) {
        // It is due again at the next look, and what comes after this is not for it to hold up.
        this.log.warn('due', () => ({ msg: 'a due command was not brought on', error: String(failure.reason) }));
        return;
      }
      if (due.length < DUE_AT_ONCE || this.stopped) return;
    }
  }

  private async bringOn(command: Command): Promise<void> {
    if (Date.now() >= endOf(command)) {
      await this.journal.enter(command.id, () => ({ kind: 'clock', at: Date.now() }), command);
      return;
    }
    const sending = await this.sender.send(command);
    if (sending !== 'sent') await this.commands.park(command, await this.againAt(command, sending));
  }

  /** The embedded broker tells when a device comes; elsewhere a look now and then finds what a replica that died did not see. */
  private async againAt(command: Command, sending: Sending): Promise<number> {
    const end = endOf(command);
    if (sending === 'never') return end;
    const { listens } = await this.devices.reachOf(command.deviceId);
    if (sending === 'unheard' && !listens && this.link.listeners) return end;
    const now = Date.now();
    if (!listens || sending === 'behind') return Math.min(end, now + AGAIN_MS.late);
    const overdue = now - (command.nextAttemptAt ?? now);
    return Math.min(end, now + Math.min(AGAIN_MS.late, Math.max(AGAIN_MS.soon, Math.round(overdue * OVERDUE_SHARE))));
  }
}

/** The next command of a device's queue may go. */
function isOutOfTheWay({ final, status }: Command): boolean {
  return final || COMMAND_RANK[status] >= COMMAND_RANK.ACKED;
}

/** The device has not begun with it, and it went out so short a time ago that it need not have arrived. */
function isOnItsWay({ status, lastAttemptAt, cancelRequestedAt, superseded }: Command, now: number): boolean {
  if (COMMAND_RANK[status] >= COMMAND_RANK.ACKED || cancelRequestedAt !== null || superseded) return false;
  return lastAttemptAt !== null && now - lastAttemptAt < ARRIVAL_MS;
}
