import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DeviceErrors } from '../common/device.errors.js';
import { LimitedLog } from '../common/limited-log.js';
import { AccessMode } from '../config/access.mode.js';
import type { DeviceLink } from '../storage/log.js';
import { CHANGE_OF_SEVERAL, changeOf, type RegistryChange } from './registry.change.js';
import type { RegisteredDevice } from './registry.device.js';
import { RegistryRepository } from './registry.repository.js';
import { insertPending, MOST_PENDING } from './registry.statements.js';

/** Why what a device sends is not taken; `detail` in sentences for the author of the firmware. */
export interface KeptOut {
  readonly code: 'DEVICE_UNKNOWN' | 'DEVICE_PENDING' | 'DEVICE_DISABLED';
  readonly detail: string;
}

/** Who sends something; `link`: how (natively, unless said otherwise). */
export interface Speaker {
  readonly deviceId: string;
  readonly link?: DeviceLink;
}

const UNKNOWN: KeptOut = {
  code: 'DEVICE_UNKNOWN',
  detail: 'There is no device with this id. Create it: POST /v1/devices.',
};
const PENDING: KeptOut = { code: 'DEVICE_PENDING', detail: 'The device waits for its approval.' };
const DISABLED: KeptOut = { code: 'DEVICE_DISABLED', detail: 'The device is disabled.' };
const FULL: KeptOut = {
  code: 'DEVICE_UNKNOWN',
  detail: `There is no device with this id, and ${MOST_PENDING} others wait for approval. Approve or delete some of them.`,
};
const NOBODY: ReadonlyMap<string, KeptOut> = new Map();

/** Most devices that are remembered as admitted; from then on they are looked up anew. */
const MOST_ADMITTED = 100_000;
/** Replicas hear of each other's changes by news, which may get lost: so often they look, in milliseconds. */
const FRESH_MS = 10_000;

/**
 * The one place that decides whether what a device sends is taken, over MQTT and HTTP alike. In open registration everybody is
 * admitted but those who are disabled; else only who is registered, approved and enabled, and with approval whoever is new
 * is registered and waits. It stands in the way of every message: who is kept out is in memory, and so is, where that matters,
 * who is admitted; only those who are neither are looked up, a batch at a time and in the order of arrival.
 */
@Injectable()
export class AdmissionService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new LimitedLog(new Logger(AdmissionService.name));
  private readonly end: () => void;
  private readonly welcomers = new Set<(deviceId: string) => void>();
  private out = new Map<string, KeptOut>();
  private readonly admitted = new Set<string>();
  private readAt = Number.NEGATIVE_INFINITY;
  private isStale = true;
  /** What reads the database does so one after the other, so that a later answer is never overwritten by an earlier one. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly devices: RegistryRepository,
    private readonly mode: AccessMode,
  ) {
    this.end = devices.onChange((change) => this.learn(change));
  }

  /** Where that fails, all is read before anybody is judged. */
  async onApplicationBootstrap(): Promise<void> {
    await this.inTurn(() => this.readAll()).catch(() => undefined);
  }

  onModuleDestroy(): void {
    this.end();
  }

  /**
   * Of these devices those whose messages are not taken, and why; one that is unknown waits for its approval from now on, where
   * registration is so. Rejects with STORAGE_UNAVAILABLE where nobody can tell.
   */
  async keptOut(speakers: readonly Speaker[]): Promise<ReadonlyMap<string, KeptOut>> {
    this.lookNowAndThen();
    const isOpen = this.mode.registration === 'open';
    if (!this.isStale && isOpen && this.out.size === 0) return NOBODY;
    const strangers = this.isStale ? speakers : speakers.filter(({ deviceId }) => this.isStranger(deviceId));
    const unknown = strangers.length === 0 ? NOBODY : await this.inTurn(() => this.look(strangers));
    if (this.out.size === 0 && unknown.size === 0) return NOBODY;
    const kept = new Map<string, KeptOut>();
    for (const { deviceId } of speakers) {
      const why = this.out.get(deviceId) ?? unknown.get(deviceId);
      if (why) kept.set(deviceId, why);
    }
    return kept;
  }

  /** Throws DEVICE_UNKNOWN, DEVICE_PENDING or DEVICE_DISABLED where nothing is taken from the device, and STORAGE_UNAVAILABLE. */
  async require(deviceId: string): Promise<void> {
    const why = (await this.keptOut([{ deviceId }])).get(deviceId);
    if (why) throw DeviceErrors[why.code](why.detail);
  }

  /** Resolves when all changes that were told before are taken in. */
  async settled(): Promise<void> {
    await this.turn;
  }

  /** True where the device is known to be disabled or to wait for approval; told without a look into the database. */
  isOut(deviceId: string): boolean {
    return this.out.has(deviceId);
  }

  /** Calls back when a device is enabled or approved that was kept out. The listener must not throw. Returns what ends it. */
  onAdmitted(listener: (deviceId: string) => void): () => void {
    this.welcomers.add(listener);
    return () => void this.welcomers.delete(listener);
  }

  private learn({ deviceId }: RegistryChange): void {
    const done = this.inTurn(() => (deviceId === null ? this.readAll() : this.read(deviceId)));
    // Then all is read again before anybody is judged.
    done.catch(() => (this.isStale = true));
  }

  private isStranger(deviceId: string): boolean {
    return this.mode.registration !== 'open' && !this.admitted.has(deviceId) && !this.out.has(deviceId);
  }

  /** In the background: until then what was known counts. */
  private lookNowAndThen(): void {
    if (!this.devices.database.capabilities.shared || performance.now() - this.readAt < FRESH_MS) return;
    this.readAt = performance.now();
    this.inTurn(() => this.readAll()).catch((error: unknown) => {
      this.log.warn('look', () => ({ msg: 'who is kept out could not be read again', error: String(error) }));
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async readAll(): Promise<void> {
    const devices = await this.devices.keptOut();
    this.out = new Map(devices.map((device) => [device.id, whyOut(device)!]));
    this.admitted.clear();
    this.readAt = performance.now();
    this.isStale = false;
  }

  private async read(deviceId: string): Promise<void> {
    const wasOut = this.out.has(deviceId);
    this.note(deviceId, await this.devices.find(deviceId));
    if (wasOut && !this.out.has(deviceId)) for (const listener of this.welcomers) listener(deviceId);
  }

  private note(deviceId: string, device: RegisteredDevice | null): void {
    this.admitted.delete(deviceId);
    this.out.delete(deviceId);
    const why = device && whyOut(device);
    if (why) this.out.set(deviceId, why);
    else if (device && this.mode.registration !== 'open') this.admit(deviceId);
  }

  private admit(deviceId: string): void {
    if (this.admitted.size >= MOST_ADMITTED) this.admitted.clear();
    this.admitted.add(deviceId);
  }

  /** Looks the strangers up; resolves with those that stay unknown. */
  private async look(speakers: readonly Speaker[]): Promise<ReadonlyMap<string, KeptOut>> {
    if (this.isStale) await this.readAll();
    const strangers = new Map<string, Speaker>();
    for (const one of speakers) if (this.isStranger(one.deviceId)) strangers.set(one.deviceId, one);
    if (strangers.size === 0) return NOBODY;
    const unknown = await this.find([...strangers.keys()]);
    if (unknown.length === 0) return NOBODY;
    if (this.mode.registration === 'closed') return new Map(unknown.map((id) => [id, UNKNOWN]));
    await this.enrol(unknown.map((id) => strangers.get(id)!));
    return new Map((await this.find(unknown)).map((id) => [id, FULL]));
  }

  /** Resolves with those that there are not. */
  private async find(deviceIds: readonly string[]): Promise<string[]> {
    const found = await this.devices.findAll(deviceIds);
    for (const [id, device] of found) this.note(id, device);
    return deviceIds.filter((id) => !found.has(id));
  }

  /** Replicas that do so at the same time may go beyond the limit by what each of them adds. */
  private async enrol(speakers: readonly Speaker[]): Promise<void> {
    const now = Date.now();
    const job = speakers
      .toSorted((a, b) => (a.deviceId < b.deviceId ? -1 : 1))
      .map(({ deviceId, link = 'native' }) => insertPending(this.devices.database.sql, deviceId, link, now));
    await this.devices.change(job, speakers.length === 1 ? changeOf(speakers[0]!.deviceId) : CHANGE_OF_SEVERAL);
  }
}

function whyOut({ enabled, approved }: RegisteredDevice): KeptOut | null {
  if (!enabled) return DISABLED;
  return approved ? null : PENDING;
}
