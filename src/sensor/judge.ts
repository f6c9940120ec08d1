import type { NewReject, Verdict } from '../storage/log.js';
import type { MessageResult } from './device-feedback.js';
import type { ItemReject } from './parsed-telemetry.js';
import { KEPT_PAYLOAD_BYTES } from './reject.repository.js';
import { refOf, type TakenApart } from './sensor.message.js';

/** How many readings, events and rejects a message is counted as. */
export function sizeOf({ readings, events, rejects }: TakenApart): number {
  return readings.length + events.length + rejects.length;
}

/** Hands the verdicts, which are in the order of all parts, back to the messages; a failed one becomes a reject. */
export function judge(
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
  const ref = reading ? refOf(reading.identity, reading.key) : null;
  return { index: places[i]?.index ?? 0, code: 'STORAGE_REFUSED', detail, ref };
}

/** The rejects of a message as they are kept: with the first 1 KiB of its payload. */
export function newRejects({ message, known }: TakenApart, rejects: readonly ItemReject[]): Omit<NewReject, 'id'>[] {
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
