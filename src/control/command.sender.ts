import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { LimitedLog } from '../common/limited-log.js';
import { AdmissionService } from '../device/admission.service.js';
import { DeviceService } from '../device/device.service.js';
import { MqttLink } from '../mqtt/link.js';
import { MqttPublisher } from '../mqtt/publisher.js';
import type { Command } from './command.js';
import { CommandJournal, type Observation } from './command.journal.js';
import { maySend } from './command.machine.js';
import { CommandRepository } from './command.repository.js';
import { CommandWire } from './command.wire.js';

/**
 * What came of the wish to send a command: it is on its way to the broker; another is sending it; its device does not listen;
 * another of its queue goes first; or it is not to be sent any more.
 */
export type Sending = 'sent' | 'not this time' | 'unheard' | 'behind' | 'never';

/** How long a stop waits for sends that hang, because the database or the broker does. */
const STOP_WAIT_MS = 3_000;
/** When a cancel notice is sent again that the broker did not take. */
const NOTICE_AGAIN_MS = 5_000;

/**
 * Sends commands: counts the attempt, commits that, publishes, and enters what the broker and the device's client say of it.
 * The committed attempt is the claim: of several replicas that want to send the same, one gets it.
 */
@Injectable()
export class CommandSender implements BeforeApplicationShutdown {
  private readonly log = new LimitedLog(new Logger(CommandSender.name));
  /** One attempt of a command at a time, from the wish to count it until the broker has answered. */
  private readonly publishing = new Map<string, Promise<void>>();
  /** Cancel notices that the broker did not take, by command. */
  private readonly notices = new Map<string, NodeJS.Timeout>();
  private stopped = false;
  /** All that has begun here and is not stored yet. */
  private readonly active = new Set<Promise<unknown>>();

  constructor(
    private readonly commands: CommandRepository,
    private readonly journal: CommandJournal,
    private readonly devices: DeviceService,
    private readonly admission: AdmissionService,
    private readonly wire: CommandWire,
    private readonly publisher: MqttPublisher,
    private readonly link: MqttLink,
  ) {}

  /**
   * Sends the command if it may be sent now: the device is not kept out, listens, has shown life since the last attempt, and nothing that must
   * go before it is open. Resolves before the broker has answered. Never rejects: what fails is logged, and the command is due
   * again.
   */
  send(command: Command): Promise<Sending> {
    const sending = this.trySend(command).catch((error: unknown): Sending => {
      this.log.warn('send', () => ({ msg: 'command not sent', id: command.id, error: String(error) }));
      return 'not this time';
    });
    this.track(sending);
    return sending;
  }

  /** True while an attempt is on its way to the broker from here. */
  isPublishing(id: string): boolean {
    return this.publishing.has(id);
  }

  /** Resolves when no attempt of this command is on its way to the broker from here. */
  async settled(id: string): Promise<void> {
    await this.publishing.get(id)?.catch(() => undefined);
  }

  /**
   * Counts an attempt and resolves after the commit with the command as it is to be carried; null where it may not begin,
   * another was faster, on whichever replica, or the commit took so long that the command's time is over.
   */
  async begin(command: Command): Promise<Command | null> {
    const entry = await this.journal.enter(
      command.id,
      ({ attempts }) => (attempts === command.attempts ? { kind: 'attempt', at: Date.now() } : null),
      command,
    );
    return entry?.changed && Date.now() < entry.command.expiresAt ? entry.command : null;
  }

  /** True where something newer has taken its place; that is entered then. */
  async isSuperseded(command: Command): Promise<boolean> {
    if (!(await this.commands.isSuperseded(command))) return false;
    await this.journal.enter(command.id, () => ({ kind: 'supersede', at: Date.now() }));
    return true;
  }

  /** True where an older command of its queue goes first. */
  async isBehind(command: Command): Promise<boolean> {
    return command.order === 'fifo' && this.commands.isBehindAnother(command);
  }

  /** The device was handed the attempt that has begun: by the broker, or as an answer to its request. Never rejects. */
  carried({ id, attempts: attempt, mode }: Command): void {
    const at = Date.now();
    const sent: Observation = () => ({ kind: 'sent', at, attempt });
    this.track(mode === 'none' ? this.journal.enter(id, sent) : this.journal.note(id, sent));
  }

  /**
   * Tells the device that a command is no longer wanted; again every 5 s where the broker does not take that, until the command
   * has ended. Resolves after the first try. Never rejects: a device that did not hear of it may still say so.
   */
  async sendCancelNotice(command: Command): Promise<void> {
    const notice = this.wire.cancelNotice(command);
    if (!notice) return;
    try {
      await this.publisher.publish(notice);
    } catch (error) {
      this.log.warn('notice', () => ({ msg: 'cancel notice not sent', id: command.id, error: String(error) }));
      this.sendNoticeLater(command);
    }
  }

  /** Tells a device that asked how many commands were sent to it. Never rejects. */
  async sendCount(deviceId: string, count: number): Promise<void> {
    await this.publisher.publish(this.wire.pending(deviceId, count)).catch((error: unknown) => {
      this.log.warn('count', () => ({ msg: 'number of commands not sent', deviceId, error: String(error) }));
    });
  }

  /** A stop waits up to 3 s until every send that has begun is recorded, while broker and database are still there. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    for (const timer of this.notices.values()) clearTimeout(timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_WAIT_MS)));
    const all = async (): Promise<void> => {
      while (this.active.size > 0) await Promise.all(this.active);
    };
    await Promise.race([all(), late]);
    clearTimeout(timer);
  }

  private sendNoticeLater(command: Command): void {
    const { id } = command;
    if (this.stopped || this.notices.has(id)) return;
    const timer = setTimeout(() => {
      this.notices.delete(id);
      this.track(this.sendNoticeUnlessFinal(command));
    }, NOTICE_AGAIN_MS);
    this.notices.set(id, timer.unref());
  }

  private async sendNoticeUnlessFinal(command: Command): Promise<void> {
    // Where nobody can tell, the notice does no harm.
    const latest = await this.commands.find(command.id).catch(() => command);
    if (latest && !latest.final) await this.sendCancelNotice(latest);
  }

  private async trySend(command: Command): Promise<Sending> {
    const topic = this.wire.topicOf(command);
    if (topic === null || !maySend(command, Date.now())) return 'never';
    if (this.link.status !== 'up' || this.admission.isOut(command.deviceId)) return 'unheard';
    if (!(await this.isHeard(command))) return 'unheard';
    if (await this.isSuperseded(command)) return 'never';
    if (await this.isBehind(command)) return 'behind';
    return this.attempt(command, topic);
  }

  /** Counts an attempt and publishes; resolves before the broker has answered. */
  private async attempt(command: Command, topic: string): Promise<Sending> {
    const { id } = command;
    if (this.publishing.has(id)) return 'not this time';
    const begun = this.begin(command);
    const publishing = begun
      .then(
        (one) => one && this.publish(one, topic),
        () => null,
      )
      .then(() => undefined)
      .finally(() => this.publishing.delete(id));
    this.publishing.set(id, publishing);
    this.track(publishing);
    return (await begun) ? 'sent' : 'not this time';
  }

  private async publish(begun: Command, topic: string): Promise<void> {
    const { id, attempts: attempt } = begun;
    const onAcknowledged = (): void => {
      const at = Date.now();
      this.track(this.journal.note(id, () => ({ kind: 'delivered', at, attempt })));
    };
    await this.publisher.publish(this.wire.message(begun, topic, Date.now(), onAcknowledged));
    this.carried(begun);
  }

  /** Foreign topics have no presence: whoever listens there, listens. */
  private async isHeard({ deviceId, link, attempts, lastAttemptAt }: Command): Promise<boolean> {
    if (link === 'foreign') return true;
    // Known without a look into the database.
    if (this.link.listeners?.has(deviceId) === false) return false;
    const { listens, state, lastSeen } = await this.devices.reachOf(deviceId);
    const isSaidToBeThere = state === 'online' || state === 'stale';
    return listens && (attempts === 0 || isSaidToBeThere || (lastSeen ?? 0) > lastAttemptAt!);
  }

  private track(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.log.warn('work', () => ({ msg: 'command not sent or not updated', error: String(error) })),
      )
      .finally(() => this.active.delete(tracked));
    this.active.add(tracked);
  }
}
