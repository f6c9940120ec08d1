import type { DeviceLink, EventKind, IdentityKind, NewEvent, NewReading } from '../log.js';

/** One column of a table of the log that not both tables have. */
interface OwnColumn<Row> {
  readonly name: string;
  readonly type: 'text' | 'int8';
  readonly of: (row: Row) => string | number | null;
}

/** What readings and events share on their way into the log. */
export interface LogRow {
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly ts: number;
  readonly receivedAt: number;
  readonly identity: IdentityKind;
  readonly key: string;
  /** Missing for readings. */
  readonly kind?: EventKind;
}

/** How the two tables of the log differ. */
export interface LogShape<Row extends LogRow> {
  readonly table: 'readings' | 'events';
  readonly ids: 'reading_ids' | 'event_ids';
  /** The column whose JSON tells a duplicate from a conflict. */
  readonly content: 'values' | 'body';
  readonly contentOf: (row: Row) => string;
  readonly columns: readonly OwnColumn<Row>[];
  /** The flattened metrics where they differ from the content; null where the table has no latest values. */
  readonly metricsOf: ((row: Row) => string | null) | null;
  readonly isPartitioned: boolean;
}

export const READINGS: LogShape<NewReading> = {
  table: 'readings',
  ids: 'reading_ids',
  content: 'values',
  contentOf: ({ values }) => values,
  columns: [
    { name: 'topic', type: 'text', of: ({ topic }) => topic },
    { name: 'historical', type: 'int8', of: ({ historical }) => (historical ? 1 : 0) },
    { name: 'seq', type: 'int8', of: ({ seq }) => seq },
  ],
  metricsOf: ({ metrics }) => metrics,
  isPartitioned: true,
};

export const EVENTS: LogShape<NewEvent> = {
  table: 'events',
  ids: 'event_ids',
  content: 'body',
  contentOf: ({ body }) => body,
  columns: [
    { name: 'kind', type: 'text', of: ({ kind }) => kind },
    { name: 'type', type: 'text', of: ({ type }) => type },
  ],
  metricsOf: null,
  isPartitioned: false,
};

const KEY_LETTERS = { 'id-ts': 't', id: 'i', seq: 's', hash: 'h', unique: 'u' } as const;

/** The key as it is stored; null where it will be the position, because the reading has none. */
export function storedKey({ identity, key }: LogRow): string | null {
  return identity === 'unique' && key === '' ? null : `${KEY_LETTERS[identity]}:${key}`;
}
