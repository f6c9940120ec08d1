import { Injectable } from '@nestjs/common';
import { decodeCursor, type Page, pageOf } from '../common/cursor.js';
import { RetentionConfig } from '../config/retention.config.js';
import { Database } from '../storage/database.js';
import type { Lane, NewReject, Verdict } from '../storage/log.js';
import { DeviceFeedback, type MessageResult } from './device-feedback.js';
import { Gate } from './gate.js';
import type { ItemReject } from './parsed-telemetry.js';
import { ReadingRepository, type StoredReading } from './reading.repository.js';
import { KEPT_PAYLOAD_BYTES, type RejectFilter, RejectRepository } from './reject.repository.js';
import { Refusal, type RejectCode } from './sensor.errors.js';
import { type RejectResource, rejectResource } from './sensor.resource.js';
import { type SensorMessage, takeApart, type TakenApart } from './sensor.message.js';
import { type Counts, Tally } from './tally.js';
import { UnitRepository } from './unit.repository.js';
import { isBulk, weightOf } from './weight.js';

/** Weight (weight.ts) of the bulky messages that are taken apart and on their way to the database at once. */
const MOST_BULK_INSIDE = 8_000;
const MOST_BULK_PER_TURN = 500;
/** With the deadline of the commit that may follow it, this is about what a client with the shortest keepalive waits. */
const BULK_WAIT_MS = 10_000;

/** A native message that another feature cannot use, and why: `detail` in sentences for the author of the firmware. */
export interface RefusedMessage extends Omit<SensorMessage, 'link' | 'subject'> {
  readonly code: RejectCode;
  readonly detail: string;
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
    private readonly rejects: RejectRepository,
    private readonly units: UnitRepository,
    private readonly feedback: DeviceFeedback,
    private readonly retention: RetentionConfig,
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
      if (isBulk(message.payload)) places[i] = bulk.push(this.recordBulk(message)) - 1;
      else light.push(message);
    }
    // All of it has ended before anything is said of any, so that a stop waits for all.
    const [lightOutcome, ...bulkOutcomes] = await Promise.allSettled([this.recordNow(light, 'prompt'), ...bulk]);
    const ofLight = valueOf(lightOutcome)[Symbol.iterator]();
    const ofBulk = bulkOutcomes.map(valueOf);
    return messages.map((_, i) => (i in places ? ofBulk[places[i]!]! : ofLight.next().value!));
  }

  /** Keeps another feature's messages, which it cannot use, as rejects; counted like messages that cannot be taken apart. */
  async reject(refused: readonly RefusedMessage[]): Promise<void> {
    if (refused.length === 0) return;
    await this.record(
      refused.map(({ code, detail, ...message }) => ({
        ...message,
        link: 'native',
        subject: { kind: 'refused', refusal: new Refusal(code, detail) },
      })),
    );
  }

  /**
   * The last stored readings, or with `deviceId` that device's newest by `ts`; oldest of them first, in pages that are read as
   * they are asked for. Rejects at once where the database is away.
   */
  async list(limit: number, deviceId: string | null): Promise<AsyncIterable<readonly StoredReading[]>> {
    return this.readings.read(await this.readings.newest(limit, deviceId));
  }

  /** A page of rejects, newest first. Throws BAD_CURSOR and CURSOR_MISMATCH. */
  async listRejects(filter: RejectFilter, limit: number, cursor: string | null): Promise<Page<RejectResource>> {
    const scope = { list: 'rejects', deviceId: filter.deviceId, code: filter.code };
    const before = cursor === null ? null : Number(decodeCursor(cursor, scope)[0]);
    const rows = await this.rejects.list(filter, before, limit + 1);
    return pageOf(rows, limit, scope, ({ seq }) => [seq], rejectResource);
  }

  /** By itself, through the gate and in the bulk lane. */
  private async recordBulk(message: SensorMessage): Promise<MessageResult> {
    let entered = false;
    try {
      return await this.gate.through(weightOf(message.payload), async () => {
        entered = true;
        return (await this.recordNow([message], 'bulk'))[0]!;
      });
    } catch (error) {
      if (!entered) {
        this.tallyOf(message).add('received', 1);
        this.tallyOf(message).add('notAcknowledged', 1);
      }
      throw error;
    }
  }

  private async recordNow(messages: readonly SensorMessage[], lane: Lane): Promise<MessageResult[]> {
    if (messages.length === 0) return [];
    const parts = messages.map((message) => takeApart(message, this.retention));
    for (const part of parts) this.tallyOf(part.message).add('received', sizeOf(part));
    let results: MessageResult[];
    try {
      results = await this.store(parts, lane);
    } catch (error) {
      for (const part of parts) this.tallyOf(part.message).add('notAcknowledged', sizeOf(part));
      throw error;
    }
    for (const [i, part] of parts.entries()) this.conclude(part, results[i]!);
    return results;
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

function valueOf<T>(outcome: PromiseSettledResult<T>): T {
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

function sizeOf({ readings, events, rejects }: TakenApart): number {
  return readings.length + events.length + rejects.length;
}

/** Hands the verdicts, which are in the order of all parts, back to the messages; a failed one becomes a reject. */
function judge(
  parts: readonly TakenApart[],
  readingVerdicts: readonly Verdict[],
  eventVerdicts: readonly Verdict[],
): MessageResult[] {
  let reading = 0;
  let event = 0;
  return parts.map((part) => {
    const verdicts = [
      ...readingVerdicts.slice(reading, (reading += part.readings.length)),
      ...eventVerdicts.slice(event, (event += part.events.length)),
    ];
    return resultOf(part, verdicts);
  });
}

function resultOf(part: TakenApart, verdicts: readonly Verdict[]): MessageResult {
  const rejected: ItemReject[] = [...part.rejects];
  let stored = 0;
  let duplicates = 0;
  let conflicts = 0;
  for (const [i, verdict] of verdicts.entries()) {
    if (verdict.outcome === 'stored') stored++;
    else if (verdict.outcome !== 'failed') duplicates++;
    if (verdict.outcome === 'conflict') conflicts++;
    if (verdict.outcome === 'failed') rejected.push(storageRefused(part, i, verdict.detail));
  }
  return { stored, duplicates, conflicts, rejected };
}

function storageRefused({ readings, places }: TakenApart, i: number, why: string): ItemReject {
  const detail = `The database refused this record and would refuse it again: ${why}. Please report it as a bug.`;
  const reading = readings[i];
  const ref = reading?.identity === 'id' || reading?.identity === 'id-ts' ? reading.key : null;
  return { index: places[i]?.index ?? 0, code: 'STORAGE_REFUSED', detail, ref };
}

function newRejects({ message, known }: TakenApart, rejects: readonly ItemReject[]): Omit<NewReject, 'id'>[] {
  if (rejects.length === 0) return [];
  const { deviceId, topic, receivedAt, payload } = message;
  // A copy of its own: a view would carry the whole read buffer along to the writer.
  const kept = new Uint8Array(payload.subarray(0, KEPT_PAYLOAD_BYTES));
  return rejects.map(({ code, detail }) => ({
    deviceId: known ? deviceId : null,
    topic,
    receivedAt,
    code,
    detail,
    payload: kept,
    size: payload.length,
  }));
}
