import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { isPassing } from '../common/errors.js';
import { LastHeard } from '../mqtt/last-heard.js';
import { MqttLink } from '../mqtt/link.js';
import { DeviceRepository, inOrder } from './device.repository.js';
import { PresenceLog } from './presence.log.js';
import { PresenceRepository } from './presence.repository.js';
import { isBack } from './presence.js';

const INTERVAL_MS = 5_000;
/** What a stop spends on it at most. */
const STOP_WAIT_MS = 1_000;
const NOTHING: ReadonlyMap<string, number> = new Map();

/**
 * Writes down every 5 s, and at a stop, which devices were heard. Nothing waits for it: what the database does not take is tried
 * again with what comes then, and a crash loses the signs of life of the last seconds.
 */
@Injectable()
export class ActivityRecorder implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ActivityRecorder.name);
  private readonly listeners = new Set<(deviceId: string) => void>();
  private timer: NodeJS.Timeout | undefined;
  private writing = NOTHING;
  private running: Promise<void> | null = null;

  constructor(
    private readonly lastHeard: LastHeard,
    private readonly devices: DeviceRepository,
    private readonly link: MqttLink,
    private readonly presences: PresenceRepository,
    private readonly told: PresenceLog,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.flush(), INTERVAL_MS).unref();
  }

  /** The broker is closed by then, and the database is not. Where that is away a stop has no time to wait for it. */
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    if (!this.devices.isUp) return;
    const last = (this.running ?? Promise.resolve()).then(() => this.write());
    let late: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => (late = setTimeout(resolve, STOP_WAIT_MS)));
    await Promise.race([last, enough]);
    clearTimeout(late);
  }

  /** When this process heard the device, as far as that is not in its row yet; epoch milliseconds, or null. */
  heardAt(deviceId: string): number | null {
    return this.lastHeard.at(deviceId) ?? this.writing.get(deviceId) ?? null;
  }

  /** The device has said that it is there. */
  note(deviceId: string, at: number): void {
    this.lastHeard.note(deviceId, at);
  }

  forget(deviceId: string): void {
    this.lastHeard.forget(deviceId);
  }

  /** Calls back when a device is heard again that was said to be offline; only for brokers elsewhere. Returns what ends it. */
  onBack(listener: (deviceId: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private flush(): void {
    this.running ??= this.write().finally(() => (this.running = null));
  }

  private async write(): Promise<void> {
    const heard = this.lastHeard.take();
    this.writing = heard;
    const parts = inOrder(heard);
    try {
      for (; parts.length > 0; parts.shift()) await this.keep(parts[0]!);
    } catch (error) {
      this.lastHeard.giveBack(parts.flat());
      if (!isPassing(error)) this.logger.error({ msg: 'activity not written', error: String(error) });
    }
    this.writing = NOTHING;
  }

  private async keep(part: readonly (readonly [deviceId: string, at: number])[]): Promise<void> {
    const { listeners } = this.link;
    const back = listeners === null ? await this.backOf(new Map(part)) : [];
    const attendanceOf = listeners && ((deviceId: string) => listeners.attendanceOf(deviceId));
    if (await this.presences.keepHeard(part, attendanceOf)) this.told.tell();
    await this.devices.keepHeard(part);
    for (const deviceId of back) for (const listener of this.listeners) listener(deviceId);
  }

  /** Looked up before they are written down: then it shows which of them are back since just now. */
  private async backOf(heard: ReadonlyMap<string, number>): Promise<readonly string[]> {
    const offline = await this.devices.offlineOf([...heard.keys()]);
    return offline
      .filter(({ id, status_at, last_seen }) => !isBack(status_at, last_seen) && isBack(status_at, heard.get(id)!))
      .map(({ id }) => id);
  }
}
