import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/access.js';
import { decodeCursor, encodeCursor, type Page, pageOf } from '../common/cursor.js';
import { DeviceErrors } from '../common/device.errors.js';
import { refuseBackwards } from '../common/interval.js';
import { RetentionConfig } from '../config/retention.config.js';
import { RegistryService } from '../device/registry.service.js';
import { Database } from '../storage/database.js';
import type { Lane } from '../storage/log.js';
import { AdmissionService } from '../device/admission.service.js';
import { DeviceFeedback, type MessageResult } from './device-feedback.js';
import { Gate } from './gate.js';
import { fillPage } from './history.page.js';
import { judge, newRejects, sizeOf } from './judge.js';
import { historyKey, ReadingHistory, type HistoryRange } from './reading.history.js';
import { ReadingRepository, type StoredReading } from './reading.repository.js';
import {
  devicesOf,
  onlyVisible,
  recordMessages,
  recordResult,
  type RecordRequest,
  type RecordResult,
} from './record-request.js';
import { type RejectFilter, RejectRepository } from './reject.repository.js';
import { Refusal, type RejectCode } from './sensor.errors.js';
import {
  type LatestResource,
  latestResource,
  type ReadingResource,
  type RejectResource,
  rejectResource,
} from './sensor.resource.js';
import { type SensorMessage, shutOut, takeApart, type TakenApart } from './sensor.message.js';
import { type Counts, Tally } from './tally.js';
import { UnitRepository } from './unit.repository.js';
import { isBulk, isHeavy, weightOf, weightOfReadings } from './weight.js';

/** Weight (weight.ts) of the bulky messages that are taken apart and on their way to the database at once. */
const MOST_BULK_INSIDE = 8_000;
const MOST_BULK_PER_TURN = 500;
/** With the deadline of the commit that may follow it, this is about what a client with the shortest keepalive waits. */
const BULK_WAIT_MS = 10_000;

/** A native message that another feature cannot use, and why: `detail` in sentences for the author of the firmware. */
export interface RefusedMessage extends Omit<SensorMessage, 'link' | 'subject'> {
  readonly code: RejectCode;
  readonly detail: string;
  /** The id of what it is about, for `down/errors`. */
  readonly ref?: string;
}

/** What is asked of a device's history; `metrics` null = all. */
export interface HistoryQuery extends HistoryRange {
  readonly metrics: readonly string[] | null;
}

/** Telemetry and events in, readings out. */
@Injectable()
export class SensorService {
  private readonly readingTally = new Tally();
  private readonly eventTally = new Tally();
  private readonly gate = new Gate(MOST_BULK_INSIDE, MOST_BULK_PER_TURN, BULK_WAIT_MS);

  constructor(
    private readonly database: Database,
    private readonly readings: ReadingRepository,
    private readonly past: ReadingHistory,
    private readonly rejects: RejectRepository,
    private readonly units: UnitRepository,
    private readonly feedback: DeviceFeedback,
    private readonly retention: RetentionConfig,
    private readonly registry: RegistryService,
    private readonly admission: AdmissionService,
  ) {}

  /** Counts per reading since the start; a message that cannot be taken apart counts as one reading, an event as none. */
  get counts(): Counts {
    return this.readingTally.snapshot;
  }

  /** Counts per event since the start. */
  get eventCounts(): Counts {
    return this.eventTally.snapshot;
  }

  /**
   * Stores what a batch of messages says, and keeps what can never be stored as rejects. Resolves with one result per message
   * once all of it is committed; rejects with STORAGE_UNAVAILABLE where that failed, so that nothing is acknowledged.
   */
  async record(messages: readonly SensorMessage[]): Promise<MessageResult[]> {
    const light: SensorMessage[] = [];
    const places: number[] = [];
    const bulk: Promise<MessageResult>[] = [];
    for (const [i, message] of messages.entries()) {
      if (isBulk(message.payload))
        places[i] = bulk.push(this.recordBulk([message], weightOf(message.payload)).then(first)) - 1;
      else light.push(message);
    }
    // All of it has ended before anything is said of any, so that a stop waits for all.
    const [lightOutcome, ...bulkOutcomes] = await Promise.allSettled([this.recordNow(light, 'prompt'), ...bulk]);
    const ofLight = valueOf(lightOutcome)[Symbol.iterator]();
    const ofBulk = bulkOutcomes.map(valueOf);
    return messages.map((_, i) => (i in places ? ofBulk[places[i]!]! : ofLight.next().value!));
  }

  /**
   * Stores the readings that another service hands in, like {@link record}; each of them is judged alone, and rejected where its
   * device is hidden from the caller.
   */
  async recordRequest(request: RecordRequest, caller: Principal): Promise<RecordResult> {
    let messages = recordMessages(request, this.retention.readings);
    if (caller.tags !== null) {
      messages = onlyVisible(messages, await this.registry.visibleAmong(caller, devicesOf(messages)));
    }
    const weight = weightOfReadings(messages.length, request.payload.length);
    const results = isHeavy(weight) ? this.recordBulk(messages, weight) : this.recordNow(messages, 'prompt');
    return recordResult(await results);
  }

  /** The newest value of each metric. Throws DEVICE_UNKNOWN for a device never seen, and for one that is hidden from the caller. */
  async latest(deviceId: string, caller: Principal): Promise<LatestResource> {
    await this.registry.requireVisible(caller, deviceId);
    const values = await this.past.latest(deviceId);
    if (values === null) throw DeviceErrors.DEVICE_UNKNOWN('There is no device with this id.');
    return latestResource(deviceId, values);
  }

  /**
   * A page of a device's readings, of which `metrics` picks values; readings without any of them are left out. It holds at
   * most `limit` readings, and `maxBytes` of them as JSON (null = no bound); a page may hold fewer although there are more.
   * Throws BAD_RANGE, BAD_CURSOR, CURSOR_MISMATCH, and DEVICE_UNKNOWN for a device never seen or hidden from the caller.
   */
  async history(
    caller: Principal,
    query: HistoryQuery,
    limit: number,
    cursor: string | null,
    maxBytes: number | null,
  ): Promise<Page<ReadingResource>> {
    const { deviceId, from, to, order } = query;
    refuseBackwards(from, to);
    await this.registry.requireVisible(caller, deviceId);
    const metrics = query.metrics && [...new Set(query.metrics)].toSorted();
    const scope = { list: 'readings', deviceId, metrics, from, to, order };
    const after = cursor === null ? null : decodeCursor(cursor, scope);
    const readings = this.past.read(query, after, limit + 1);
    const { items, last } = await fillPage(readings, { limit, metrics: metrics && new Set(metrics), maxBytes });
    if (items.length === 0 && !(await this.past.isKnown(deviceId))) {
      throw DeviceErrors.DEVICE_UNKNOWN('There is no device with this id.');
    }
    const nextCursor = last && encodeCursor(historyKey(last, order), scope);
    return { items, nextCursor, hasMore: nextCursor !== null };
  }

  /** Keeps another feature's messages, which it cannot use, as rejects; counted like messages that cannot be taken apart. */
  async reject(refused: readonly RefusedMessage[]): Promise<void> {
    if (refused.length === 0) return;
    await this.record(
      refused.map(({ code, detail, ref = null, ...message }) => ({
        ...message,
        link: 'native',
        subject: { kind: 'refused', refusal: new Refusal(code, detail), ref },
      })),
    );
  }

  /**
   * The last stored readings of the devices that the caller sees, or with `deviceId` that device's newest by `ts`; oldest of them
   * first, in pages that are read as they are asked for. Rejects at once where the database is away.
   */
  async list(
    { tags }: Principal,
    limit: number,
    deviceId: string | null,
  ): Promise<AsyncIterable<readonly StoredReading[]>> {
    return this.readings.read(await this.readings.newest(limit, deviceId, tags));
  }

  /**
   * A page of rejects, newest first; to a caller with limits only those of devices that it sees, and so none without a device.
   * Throws BAD_CURSOR and CURSOR_MISMATCH.
   */
  async listRejects(
    { tags }: Principal,
    { deviceId, code }: RejectFilter,
    limit: number,
    cursor: string | null,
  ): Promise<Page<RejectResource>> {
    const filter = { deviceId, code, ...(tags && { tags }) };
    const scope = { list: 'rejects', ...filter };
    const before = cursor === null ? null : Number(decodeCursor(cursor, scope)[0]);
    const rows = await this.rejects.list(filter, before, limit + 1);
    return pageOf(rows, limit, scope, ({ seq }) => [seq], rejectResource);
  }

  /** By themselves, through the gate and in the bulk lane. */
  private async recordBulk(messages: readonly SensorMessage[], weight: number): Promise<MessageResult[]> {
    let entered = false;
    try {
      return await this.gate.through(weight, () => {
        entered = true;
        return this.recordNow(messages, 'bulk');
      });
    } catch (error) {
      for (const message of entered ? [] : messages) {
        this.tallyOf(message).add('received', 1);
        this.tallyOf(message).add('notAcknowledged', 1);
      }
      throw error;
    }
  }

  private async recordNow(messages: readonly SensorMessage[], lane: Lane): Promise<MessageResult[]> {
    if (messages.length === 0) return [];
    let parts = messages.map((message) => takeApart(message, this.retention));
    for (const part of parts) this.tallyOf(part.message).add('received', sizeOf(part));
    let results: MessageResult[];
    try {
      parts = await this.admit(parts);
      results = await this.store(parts, lane);
    } catch (error) {
      for (const part of parts) this.tallyOf(part.message).add('notAcknowledged', sizeOf(part));
      throw error;
    }
    for (const [i, part] of parts.entries()) this.conclude(part, results[i]!);
    return results;
  }

  /** What comes of devices that are kept out is rejected. Who sends nothing that could be stored shows itself by nothing. */
  private async admit(parts: TakenApart[]): Promise<TakenApart[]> {
    const speaking = parts.filter(({ readings, events }) => readings.length > 0 || events.length > 0);
    const keptOut = await this.admission.keptOut(speaking.map(({ message }) => message));
    if (keptOut.size === 0) return parts;
    return parts.map((part) => {
      const why = keptOut.get(part.message.deviceId);
      return why ? shutOut(part, why) : part;
    });
  }

  private async store(parts: readonly TakenApart[], lane: Lane): Promise<MessageResult[]> {
    const readings = parts.flatMap((part) => part.readings);
    const events = parts.flatMap((part) => part.events);
    const rejects = parts.flatMap((part) => newRejects(part, part.rejects));
    const [readingVerdicts, eventVerdicts] = await Promise.all([
      readings.length > 0 ? this.readings.append(readings, lane) : [],
      events.length > 0 ? this.database.appendEvents(events, lane) : [],
      this.rejects.add(rejects, lane),
      this.keepUnits(parts),
    ]);
    const results = judge(parts, readingVerdicts, eventVerdicts);
    const refused = parts.flatMap((part, i) => newRejects(part, results[i]!.rejected.slice(part.rejects.length)));
    await this.rejects.add(refused, lane);
    return results;
  }

  private async keepUnits(parts: readonly TakenApart[]): Promise<void> {
    const units = this.units.news(
      parts.flatMap(({ message: { deviceId }, units: told }) => told.map((unit) => ({ deviceId, ...unit }))),
    );
    if (units.length === 0) return;
    await this.database.write(this.units.upserts(units));
    this.units.remember(units);
  }

  private conclude(part: TakenApart, result: MessageResult): void {
    const { stored, duplicates, conflicts, rejected } = result;
    const tally = this.tallyOf(part.message);
    tally.add('stored', stored);
    tally.add('duplicates', duplicates);
    tally.add('conflicts', conflicts);
    tally.add('rejected', rejected.length);
    const { deviceId, link } = part.message;
    if (link !== 'native' || !part.known) return;
    if (part.ack) this.feedback.acknowledge(deviceId, part.ack.id, result);
    if (rejected.length > 0) this.feedback.complain(deviceId, rejected[0]!);
  }

  private tallyOf({ subject }: SensorMessage): Tally {
    return subject.kind === 'event' ? this.eventTally : this.readingTally;
  }
}

function first<T>([one]: readonly T[]): T {
  return one!;
}

function valueOf<T>(outcome: PromiseSettledResult<T>): T {
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}
