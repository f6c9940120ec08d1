import { Setting } from './setting.decorator.js';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, y: 365 * 86_400_000 };

function duration(text: string): number {
  if (text === '0') return 0;
  const match = /^([1-9]\d{0,4})([hdwy])$/.exec(text);
  if (!match) throw new Error('must be 0 (for ever) or a number with h, d, w or y, such as 90d');
  return Number(match[1]) * UNITS[match[2]!]!;
}

/** How long each kind of record is kept, in milliseconds; 0 = for ever. */
export class RetentionConfig {
  @Setting('RETENTION_READINGS', '90d', duration)
  readonly readings!: number;

  @Setting('RETENTION_COMMANDS', '180d', duration)
  readonly commands!: number;

  @Setting('RETENTION_EVENTS', '90d', duration)
  readonly events!: number;

  @Setting('RETENTION_MESSAGES', '7d', duration)
  readonly messages!: number;

  @Setting('RETENTION_REJECTS', '7d', duration)
  readonly rejects!: number;

  @Setting('RETENTION_AUDIT', '1y', duration)
  readonly audit!: number;
}
