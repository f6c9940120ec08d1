import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HttpErrors } from '../common/http.errors.js';
import { AdmissionService } from '../device/admission.service.js';
import { DeviceService } from '../device/device.service.js';
import { MqttErrors } from '../mqtt/mqtt.errors.js';
import { Database } from '../storage/database.js';
import type { Command } from './command.js';
import { CommandJournal } from './command.journal.js';
import { maySend } from './command.machine.js';
import { CommandRepository } from './command.repository.js';
import { CommandSender } from './command.sender.js';

/** How often a poll looks although it heard of nothing, in case that news was lost, in milliseconds. */
const LOOK_MS = 5_000;
/** Polls of one device that wait here at once. */
const MOST_OF_ONE_DEVICE = 5;
const RETRY_AFTER_S = 5;

/** Hands commands to devices that fetch them over HTTP, on whichever replica they ask. */
@Injectable()
export class DevicePollService implements OnModuleInit, OnModuleDestroy {
  private readonly polls = new Map<string, Set<Poll>>();
  private readonly endings: (() => void)[] = [];
  private stopped = false;

  constructor(
    private readonly commands: CommandRepository,
    private readonly journal: CommandJournal,
    private readonly sender: CommandSender,
    private readonly devices: DeviceService,
    private readonly database: Database,
    private readonly admission: AdmissionService,
  ) {}

  onModuleInit(): void {
    this.endings.push(
      this.journal.onChange(({ deviceId }) => this.wake(deviceId)),
      this.database.onNews('commands', (detail) => this.wake(detail?.split(' ', 2)[1])),
    );
  }

  /** Polls that wait end, so that a stop need not wait for them. */
  onModuleDestroy(): void {
    this.stopped = true;
    for (const end of this.endings) end();
    this.wake();
  }

  /**
   * Resolves with the device's oldest command that may be sent now, as it is to be handed over: the attempt is counted and
   * committed, and no other poll or replica gets it before it is due again. Waits up to `ms` for one; null where none came,
   * at a stop, and when `signal` aborts, after which none is taken. Throws TOO_MANY_REQUESTS where 5 polls of the device
   * wait already, DEVICE_UNKNOWN, DEVICE_PENDING, DEVICE_DISABLED (also where that begins
   * during the wait), STOPPING and STORAGE_UNAVAILABLE.
   */
  async next(deviceId: string, ms: number, signal: AbortSignal): Promise<Command | null> {
    const end = performance.now() + ms;
    const poll = this.enter(deviceId);
    const wake = (): void => poll.wake();
    signal.addEventListener('abort', wake);
    try {
      await this.admission.require(deviceId);
      await this.devices.notePoll(deviceId);
      for (;;) {
        const { taken, lookAgainAt } = await this.look(deviceId, signal);
        const left = end - performance.now();
        if (taken || left <= 0 || signal.aborted || this.stopped) return taken;
        await poll.rest(Math.min(left, LOOK_MS, lookAgainAt - Date.now()));
        if (signal.aborted || this.stopped) return null;
        await this.admission.require(deviceId);
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.leave(deviceId, poll);
    }
  }

  /** The command was handed to the device's connection. Never rejects. */
  carried(command: Command): void {
    this.sender.carried(command);
  }

  /** Takes the first that may go, or tells when the next one is due. */
  private async look(
    deviceId: string,
    signal: AbortSignal,
  ): Promise<{ readonly taken: Command | null; readonly lookAgainAt: number }> {
    let lookAgainAt = Infinity;
    for (const command of await this.commands.openOf(deviceId)) {
      const now = Date.now();
      // What was meant for a foreign topic goes there.
      if (command.link === 'foreign' || !maySend(command, now)) continue;
      if (command.attempts > 0 && command.nextAttemptAt! > now) {
        lookAgainAt = Math.min(lookAgainAt, command.nextAttemptAt!);
        continue;
      }
      if ((await this.sender.isSuperseded(command)) || (await this.sender.isBehind(command))) continue;
      if (signal.aborted) break;
      const taken = await this.sender.begin(command);
      if (taken) return { taken, lookAgainAt };
    }
    return { taken: null, lookAgainAt };
  }

  private enter(deviceId: string): Poll {
    if (this.stopped) throw HttpErrors.STOPPING('Signalbox is stopping; try again in a moment.', { retryAfter: 5 });
    const all = this.polls.get(deviceId) ?? new Set();
    if (all.size >= MOST_OF_ONE_DEVICE) {
      const detail = `${MOST_OF_ONE_DEVICE} polls of this device wait already. One at a time is enough.`;
      throw MqttErrors.TOO_MANY_REQUESTS(detail, { retryAfter: RETRY_AFTER_S });
    }
    const poll = new Poll();
    this.polls.set(deviceId, all.add(poll));
    return poll;
  }

  private leave(deviceId: string, poll: Poll): void {
    const all = this.polls.get(deviceId)!;
    all.delete(poll);
    if (all.size === 0) this.polls.delete(deviceId);
  }

  /** There may be something for the device; without an id, for anybody. */
  private wake(deviceId?: string): void {
    const concerned = deviceId === undefined ? [...this.polls.values()] : [this.polls.get(deviceId) ?? []];
    for (const polls of concerned) for (const poll of polls) poll.wake();
  }
}

/** One request that waits. */
class Poll {
  private woken = false;
  private onWake: () => void = () => {};

  wake(): void {
    this.woken = true;
    this.onWake();
  }

  /** Resolves when it has been woken since the last rest, or after `ms`. */
  async rest(ms: number): Promise<void> {
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.onWake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.onWake = () => {};
    }
    this.woken = false;
  }
}
