import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { isPassing } from '../common/errors.js';
import { LimitedLog } from '../common/limited-log.js';
import type { AttendanceChange } from '../mqtt/attendance.js';
import { MqttLink } from '../mqtt/link.js';
import { ActivityRecorder } from './activity.recorder.js';
import { PresenceLog } from './presence.log.js';
import { PresenceRepository } from './presence.repository.js';

const DEVICES_PER_ROUND = 500;
/** Changes that may wait, of one device and in devices; beyond them the newest of a device counts, and new devices are left to be judged when somebody asks. */
const MOST_OF_ONE = 16;
const MOST_DEVICES = 50_000;
const RETRY_MS = 1_000;
const STOP_WAIT_MS = 1_000;

/** A change, numbered in the order in which they came. */
interface Noted extends AttendanceChange {
  readonly number: number;
}

/**
 * Writes down whom the broker in this process sees come and go: soon, many at once, and what one device does in its order.
 * Connections wait for none of it.
 */
@Injectable()
export class PresenceRecorder implements OnApplicationBootstrap, OnApplicationShutdown {
  /** When this process started, in epoch milliseconds: at the embedded broker nobody was connected before. */
  readonly since = Date.now();
  private readonly log = new LimitedLog(new Logger(PresenceRecorder.name));
  private readonly waiting = new Map<string, Noted[]>();
  private writing: readonly Noted[] = [];
  private latest = 0;
  private hasBegun = false;
  private running: Promise<void> | null = null;
  private round: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly link: MqttLink,
    private readonly presences: PresenceRepository,
    private readonly activity: ActivityRecorder,
    private readonly told: PresenceLog,
  ) {}

  /** The broker lets nobody in before. */
  onApplicationBootstrap(): void {
    this.link.listeners?.onAttendance((change) => this.note(change));
    this.go();
  }

  /** What is not written by then is judged anew after the next start, as all that happened while nobody looked. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    let late: NodeJS.Timeout | undefined;
    await Promise.race([this.running, new Promise<void>((resolve) => (late = setTimeout(resolve, STOP_WAIT_MS)))]);
    clearTimeout(late);
  }

  /** Resolves when what the broker has seen of these devices until now is written, or could not be; what it sees from now on is not waited for. */
  async settled(deviceIds: readonly string[]): Promise<void> {
    const { latest } = this;
    while (this.running !== null && deviceIds.some((id) => this.isOpen(id, latest))) await this.round.catch(() => {});
  }

  /** True while a change of the device up to this number is not written. */
  private isOpen(deviceId: string, latest: number): boolean {
    if (!this.hasBegun) return true;
    const [next] = this.waiting.get(deviceId) ?? [];
    if (next && next.number <= latest) return true;
    return this.writing.some((change) => change.deviceId === deviceId && change.number <= latest);
  }

  private note(seen: AttendanceChange): void {
    const change = { ...seen, number: ++this.latest };
    const { deviceId, arrival, left, at } = change;
    // Of one that another client listens for, or whose connection was cut, nothing was heard.
    if (arrival.reason === 'connected' && (left === null || left === 'disconnected')) this.activity.note(deviceId, at);
    const before = this.waiting.get(deviceId);
    if (before) {
      if (before.length === MOST_OF_ONE) before.pop();
      before.push(change);
    } else if (this.waiting.size < MOST_DEVICES) {
      this.waiting.set(deviceId, [change]);
    } else {
      this.log.warn('full', () => ({ msg: 'too much waits for the database: changes of presence are not told' }));
    }
    this.go();
  }

  private go(): void {
    if (this.stopped) return;
    this.running ??= this.writeAll().finally(() => (this.running = null));
  }

  private async writeAll(): Promise<void> {
    try {
      while (!this.stopped && (!this.hasBegun || this.waiting.size > 0)) {
        this.round = this.hasBegun ? this.writeRound() : this.begin();
        await this.round;
      }
    } catch (error) {
      this.log.warn('written', () => ({ msg: 'presence not written yet', error: String(error) }));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.go(), RETRY_MS).unref();
    }
  }

  private async begin(): Promise<void> {
    await this.presences.begin(this.link.listeners === null ? null : this.since);
    this.hasBegun = true;
    this.told.tell();
  }

  private async writeRound(): Promise<void> {
    // Those who come in the same turn share a statement.
    await new Promise(setImmediate);
    this.writing = this.take();
    try {
      if (await this.presences.keepAttendance(this.writing)) this.told.tell();
    } catch (error) {
      // What can never be written must not keep the others waiting.
      if (isPassing(error)) this.giveBack(this.writing);
      throw error;
    } finally {
      this.writing = [];
    }
  }

  /** The oldest change of those devices that have waited longest, sorted by their ids. */
  private take(): readonly Noted[] {
    const taken: Noted[] = [];
    for (const [deviceId, changes] of this.waiting) {
      if (taken.length === DEVICES_PER_ROUND) break;
      taken.push(changes.shift()!);
      if (changes.length === 0) this.waiting.delete(deviceId);
    }
    return taken.toSorted((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
  }

  private giveBack(changes: readonly Noted[]): void {
    for (const change of changes) {
      const later = this.waiting.get(change.deviceId);
      if (later) later.unshift(change);
      else this.waiting.set(change.deviceId, [change]);
    }
  }
}
