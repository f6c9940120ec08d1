import { Injectable, Logger } from '@nestjs/common';
import { DeviceErrors } from '../common/device.errors.js';
import { isDeviceId } from '../common/ids.js';
import { TopicConfig } from '../config/topic.config.js';
import type { Attendance } from '../mqtt/attendance.js';
import { MqttLink } from '../mqtt/link.js';
import { MqttPublisher } from '../mqtt/publisher.js';
import { type RefusedMessage, SensorService } from '../sensor/sensor.service.js';
import type { Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import { ActivityRecorder } from './activity.recorder.js';
import { AdmissionService } from './admission.service.js';
import { DeviceRepository } from './device.repository.js';
import { PresenceLog } from './presence.log.js';
import { PresenceRecorder } from './presence.recorder.js';
import { type DevicePresence, type DeviceRow, judgePresence } from './presence.js';
import { type EditOptions, RegistryEditor } from './registry.editor.js';
import { RegistryRepository } from './registry.repository.js';
import { RegistryWatch } from './registry.watch.js';
import { type DeviceStatus, parseStatus } from './status.js';
import { StatusOrder } from './status.order.js';

export type { DevicePresence } from './presence.js';

export type DeviceReach = Pick<DevicePresence, 'state' | 'lastSeen' | 'listens'>;

/** What was published on a device's `up/status`. `deviceId` is as the topic has it; `receivedAt` in epoch milliseconds; the others as in TopicMessage. */
export interface StatusMessage {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly receivedAt: number;
  readonly replayed: boolean;
  readonly arrival: number;
}

interface ReadStatus extends StatusMessage {
  readonly status: DeviceStatus | null;
}

/** A device that fetches its commands over HTTP is written down at most so often. */
const POLL_NOTED_MS = 10_000;
const MOST_POLLERS = 20_000;
/** One that comes and goes all the time must not keep whoever asks for it, and for others besides. */
const MOST_READS = 5;

/** Which devices there are, how they reach us, and whether they are there. */
@Injectable()
export class DeviceService {
  private readonly logger = new Logger(DeviceService.name);
  private readonly order = new StatusOrder();
  private readonly awakened = new Set<(deviceId: string) => void>();
  private readonly removals = new Set<(deviceId: string) => Promise<void>>();
  private readonly polls = new Map<string, number>();

  constructor(
    private readonly devices: DeviceRepository,
    private readonly activity: ActivityRecorder,
    private readonly presences: PresenceRecorder,
    private readonly told: PresenceLog,
    private readonly sensors: SensorService,
    private readonly link: MqttLink,
    private readonly publisher: MqttPublisher,
    private readonly topics: TopicConfig,
    private readonly admission: AdmissionService,
    private readonly registry: RegistryRepository,
    private readonly editor: RegistryEditor,
    private readonly watch: RegistryWatch,
  ) {}

  /**
   * Takes what devices say of themselves: whoever does so is native from then on. A will changes nothing once its device has
   * said that it is online in another session. What is no status is kept as a reject, and so is that a device is there which
   * is kept out; that it is gone is believed of every device that is known.
   */
  async hear(messages: readonly StatusMessage[]): Promise<void> {
    const refused: RefusedMessage[] = [];
    const read: ReadStatus[] = [];
    for (const message of messages) {
      const status = readStatus(message);
      if (typeof status === 'string') refused.push({ ...message, code: 'BAD_STATUS', detail: status });
      else read.push({ ...message, status });
    }
    // What the broker says again, and what it forgets, is nothing that the device says.
    const keptOut = await this.admission.keptOut(read.filter(({ status, replayed }) => status !== null && !replayed));
    const kept = read.filter((message) => {
      const why = message.status && !message.replayed ? keptOut.get(message.deviceId) : undefined;
      if (!why || (why.code !== 'DEVICE_UNKNOWN' && message.status?.online === false)) return true;
      refused.push({ ...message, ...why });
      return false;
    });
    await Promise.all([this.sensors.reject(refused), kept.length > 0 && this.keep(kept)]);
  }

  /** How the device reaches us, or null where it has never been seen nor been sent a command. */
  linkOf(deviceId: string): Promise<DeviceLink | null> {
    return this.devices.linkOf(deviceId);
  }

  /** Whether the device is there, and how that is known; one that is unknown was `never` seen. Rejects with STORAGE_UNAVAILABLE. */
  async presenceOf(deviceId: string): Promise<DevicePresence> {
    return this.judge(deviceId, await this.rowOf(deviceId));
  }

  /**
   * The same for the devices of a list, 1,000 at most, by id: one query that looks each up by its key, and some microseconds for each. What is not in the
   * database counts too (who is connected, what was heard in the last 5 s, the time that passes), so that a list cannot be filtered by
   * presence in SQL. Rejects with STORAGE_UNAVAILABLE.
   */
  async presencesOf(deviceIds: readonly string[]): Promise<ReadonlyMap<string, DevicePresence>> {
    const rows = await this.rowsOf(deviceIds);
    return new Map(deviceIds.map((id) => [id, this.judge(id, rows.get(id) ?? null)]));
  }

  /** As presenceOf; throws DEVICE_UNKNOWN where there is no such device. */
  async knownPresenceOf(deviceId: string): Promise<DevicePresence> {
    const row = isDeviceId(deviceId) ? await this.rowOf(deviceId) : null;
    if (row === null) throw DeviceErrors.DEVICE_UNKNOWN('There is no device with this id.');
    return this.judge(deviceId, row);
  }

  /**
   * What who sends a command has to know of the device. Of one that listens at the embedded broker it is told without a look into
   * the database, and `lastSeen` may be null; else rejects with STORAGE_UNAVAILABLE where that cannot be read.
   */
  async reachOf(deviceId: string): Promise<DeviceReach> {
    if (!this.link.listeners?.has(deviceId)) return this.presenceOf(deviceId);
    return { state: 'online', lastSeen: this.activity.heardAt(deviceId), listens: true };
  }

  /**
   * Calls back when a device has begun to listen for commands, as far as this process sees it: at the embedded broker by its
   * subscription; at an external one when it says that it is online (again in a new session), or is heard after it was
   * said to be offline. The listener must not throw. Returns what ends it.
   */
  onListening(listener: (deviceId: string) => void): () => void {
    if (this.link.listeners) return this.link.listeners.onListening(listener);
    this.awakened.add(listener);
    const end = this.activity.onBack(listener);
    return () => {
      end();
      this.awakened.delete(listener);
    };
  }

  /**
   * The device asks for its commands over HTTP: a sign of life, it is native, and from now on nothing is published to it unless it
   * listens over MQTT again. Written at most once in 10 s. Rejects with STORAGE_UNAVAILABLE.
   */
  async notePoll(deviceId: string): Promise<void> {
    const now = performance.now();
    if (now < (this.polls.get(deviceId) ?? 0)) return;
    if (this.polls.size >= MOST_POLLERS) this.polls.clear();
    this.polls.set(deviceId, now + POLL_NOTED_MS);
    try {
      if (await this.devices.keepPoll(deviceId, Date.now())) this.told.tell();
    } catch (error) {
      this.polls.delete(deviceId);
      throw error;
    }
  }

  /** The device has shown itself by a native message that tells nothing of its presence. Rejects with STORAGE_UNAVAILABLE. */
  async noteNative(deviceId: string): Promise<void> {
    if ((await this.devices.linkOf(deviceId)) !== 'native') await this.devices.keepNative(deviceId, Date.now());
  }

  /** Calls `before` when a device is about to be removed, with its id; the removal waits for it, and fails with it. Returns what ends it. */
  onRemoval(before: (deviceId: string) => Promise<void>): () => void {
    this.removals.add(before);
    return () => void this.removals.delete(before);
  }

  /**
   * Removes the device, what it logs in with, and its retained messages; what it sent stays. What fails midway leaves it
   * disabled, and can be repeated. With open registration it is not kept out: with its next message it is there again. Throws
   * DEVICE_UNKNOWN, PRECONDITION_FAILED, and what the broker or the database throws.
   */
  async remove(deviceId: string, options: EditOptions): Promise<void> {
    // From here on nothing is taken from it, so that nothing of what follows is undone by what it still sends.
    await this.editor.close(deviceId, options);
    for (const before of this.removals) await before(deviceId);
    this.watch.endAll(deviceId);
    // Before the row: its status would bring the device back at the next start.
    await this.clearRetained(deviceId);
    await this.editor.remove(deviceId, options.actor);
    this.activity.forget(deviceId);
    this.polls.delete(deviceId);
    // Its will may have come out since it was disconnected.
    await this.clear(`${this.topics.prefix}/${deviceId}/up/status`).catch((error: unknown) => {
      this.logger.warn({ msg: 'the status of a removed device not cleared again', deviceId, error: String(error) });
    });
  }

  /** A statement for somebody else's write job that creates the device where it is unknown. `at` in epoch milliseconds. */
  registration(deviceId: string, link: DeviceLink, at: number): Statement {
    return this.devices.insert(deviceId, link, at);
  }

  private async rowOf(deviceId: string): Promise<DeviceRow | null> {
    return (await this.rowsOf([deviceId])).get(deviceId) ?? null;
  }

  /** With all that the broker saw of them until now; those that come or go while they are read are read again, a few times. */
  private async rowsOf(deviceIds: readonly string[]): Promise<ReadonlyMap<string, DeviceRow>> {
    const rows = new Map<string, DeviceRow>();
    for (let open = deviceIds, reads = 0; open.length > 0 && reads < MOST_READS; reads++) {
      await this.presences.settled(open);
      const before = open.map((id) => this.attendanceOf(id));
      const found = await this.devices.findAll(open);
      for (const id of open) rows.delete(id);
      for (const [id, row] of found) rows.set(id, row);
      open = open.filter((id, i) => this.attendanceOf(id) !== before[i]);
    }
    return rows;
  }

  private attendanceOf(deviceId: string): Attendance | null {
    return this.link.listeners?.attendanceOf(deviceId) ?? null;
  }

  private judge(deviceId: string, row: DeviceRow | null): DevicePresence {
    const { listeners } = this.link;
    const connected = listeners && {
      listens: listeners.has(deviceId),
      attendance: this.attendanceOf(deviceId),
      since: this.presences.since,
    };
    return judgePresence(row, this.activity.heardAt(deviceId), connected, Date.now());
  }

  /** Our own broker knows them all; of one elsewhere only the status is known. */
  private async clearRetained(deviceId: string): Promise<void> {
    const own = `${this.topics.prefix}/${deviceId}/`;
    const foreign = this.topics.deviceTopics.flatMap(({ telemetry, command }) =>
      [telemetry, ...(command ? [command] : [])].map((template) => template.topicFor({ deviceId })),
    );
    const topics = new Set([`${own}up/status`, ...(await this.registry.retainedTopics(own, foreign))]);
    for (const topic of topics) await this.clear(topic);
  }

  private async clear(topic: string): Promise<void> {
    await this.publisher.publish({ topic, payload: '', qos: 1, retain: true });
  }

  private async keep(messages: readonly ReadStatus[]): Promise<void> {
    // A will is no sign of life, nor is what the broker kept.
    for (const { deviceId, status, replayed, receivedAt } of messages) {
      if (status?.online && !replayed) this.activity.note(deviceId, receivedAt);
    }
    await this.order.through(messages, async (news) => {
      // A connection that broke is told by the broker first, and then by its will.
      await this.presences.settled(news.map(({ deviceId }) => deviceId));
      const isThere = (deviceId: string) => this.link.listeners && this.attendanceOf(deviceId) !== null;
      const reports = news.map((message) => ({ ...message, isThere: isThere(message.deviceId) }));
      const { awake, changed } = await this.devices.keepStatuses(reports);
      if (changed) this.told.tell();
      for (const deviceId of awake) for (const listener of this.awakened) listener(deviceId);
    });
  }
}

/** The status, or a sentence that says what is wrong with it. */
function readStatus({ deviceId, payload }: StatusMessage): DeviceStatus | null | string {
  if (!isDeviceId(deviceId)) return 'The level of the topic that names the device is no device id.';
  try {
    return parseStatus(payload);
  } catch (error) {
    return (error as Error).message;
  }
}
