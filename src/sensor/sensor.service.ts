import { Injectable } from '@nestjs/common';
import { decodeCursor, type Page, pageOf } from '../common/cursor.js';
import { RetentionConfig } from '../config/retention.config.js';
import { Database } from '../storage/database.js';
import type { Verdict } from '../storage/log.js';
import { DeviceFeedback, type MessageResult } from './device-feedback.js';
import type { ItemReject } from './parsed-telemetry.js';
import { ReadingRepository, type StoredReading } from './reading.repository.js';
import { KEPT_PAYLOAD_BYTES, type NewReject, type RejectFilter, RejectRepository } from './reject.repository.js';
import { Refusal, type RejectCode } from './sensor.errors.js';
import { type RejectResource, rejectResource } from './sensor.resource.js';
import { type SensorMessage, takeApart, type TakenApart } from './sensor.message.js';
import { type Counts, Tally } from './tally.js';
import { UnitRepository } from './unit.repository.js';

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
    const parts = messages.map((message) => takeApart(message, this.retention));
    for (const part of parts) this.tallyOf(part).add('received', sizeOf(part));
    let results: MessageResult[];
    try {
      results = await this.store(parts);
    } catch (error) {
      for (const part of parts) this.tallyOf(part).add('notAcknowledged', sizeOf(part));
      throw error;
    }
    for (const [i, part] of parts.entries()) this.conclude(part, results[i]!);
    return results;
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

  private async store(parts: readonly TakenApart[]): Promise<MessageResult[]> {
    const readings = parts.flatMap((part) => part.readings);
    const events = parts.flatMap((part) => part.events);
    const [readingVerdicts, eventVerdicts] = await Promise.all([
      readings.length > 0 ? this.readings.append(readings) : [],
      events.length > 0 ? this.database.appendEvents(events) : [],
      this.keepRejectsAndUnits(parts),
    ]);
    const results = judge(parts, readingVerdicts, eventVerdicts);
    const refused = parts.flatMap((part, i) => newRejects(part, results[i]!.rejected.slice(part.rejects.length)));
    if (refused.length > 0) await this.database.write(this.rejects.inserts(refused));
    return results;
  }

  private async keepRejectsAndUnits(parts: readonly TakenApart[]): Promise<void> {
    const rejects = parts.flatMap((part) => newRejects(part, part.rejects));
    const units = this.units.news(
      parts.flatMap(({ message: { deviceId }, units: told }) => told.map((unit) => ({ deviceId, ...unit }))),
    );
    if (rejects.length === 0 && units.length === 0) return;
    await this.database.write([...this.rejects.inserts(rejects), ...this.units.upserts(units)]);
    this.units.remember(units);
  }

  private conclude(part: TakenApart, result: MessageResult): void {
    const { stored, duplicates, conflicts, rejected } = result;
    const tally = this.tallyOf(part);
    tally.add('stored', stored);
    tally.add('duplicates', duplicates);
    tally.add('conflicts', conflicts);
    tally.add('rejected', rejected.length);
    const { deviceId, link } = part.message;
    if (link !== 'native' || !part.known) return;
    if (part.ack) this.feedback.acknowledge(deviceId, part.ack.id, result);
    if (rejected.length > 0) this.feedback.complain(deviceId, rejected[0]!);
  }

  private tallyOf({ message }: TakenApart): Tally {
    return message.subject.kind === 'event' ? this.eventTally : this.readingTally;
  }
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

function newRejects({ message, known }: TakenApart, rejects: readonly ItemReject[]): NewReject[] {
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
