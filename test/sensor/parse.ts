import { expect } from '@jest/globals';
import type { ItemReject, ParsedReading, ParsedTelemetry } from '../../src/sensor/parsed-telemetry.js';
import { parseTelemetry, type TelemetryContext } from '../../src/sensor/telemetry.parser.js';

/** The receive time of every payload that is parsed here. */
export const NOW = Date.UTC(2026, 10, 21, 12);
export const DAY = 86_400_000;

/** Parses a payload, a string as it is and anything else as JSON, received at NOW with a retention of 90 days. */
export function parse(payload: unknown, overrides: Partial<TelemetryContext> = {}): ParsedTelemetry {
  const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  return parseTelemetry(bytes, { receivedAt: NOW, retentionMs: 90 * DAY, metric: null, ...overrides });
}

/** The one reading of a payload that has nothing to reject. */
export function reading(payload: unknown, overrides: Partial<TelemetryContext> = {}): ParsedReading {
  const parsed = parse(payload, overrides);
  expect(parsed.rejects).toEqual([]);
  expect(parsed.readings).toHaveLength(1);
  return parsed.readings[0]!;
}

/** The one reject of a payload that has nothing to accept. */
export function reject(payload: unknown, overrides: Partial<TelemetryContext> = {}): ItemReject {
  const parsed = parse(payload, overrides);
  expect(parsed.readings).toEqual([]);
  expect(parsed.rejects).toHaveLength(1);
  return parsed.rejects[0]!;
}

/** The code of that one reject. */
export function code(payload: unknown, overrides: Partial<TelemetryContext> = {}): string {
  return reject(payload, overrides).code;
}

/** The values of that one reading, as they are stored. */
export function values(payload: unknown): unknown {
  return JSON.parse(reading(payload).values) as unknown;
}
