import { newId } from '../../common/ids.js';
import type { DeviceLink } from '../log.js';
import { NewestValues } from '../newest-values.js';
import { int8Array, textArray } from './binary-array.js';
import { type LogRow, type LogShape, storedKey } from './log-shape.js';
import { weekOf } from './week.js';

/** Rows ready to be sent by the statement of log-statement.ts, under a mark of their own. */
export interface LogBatch<Row> {
  readonly rows: readonly Row[];
  readonly mark: string;
  readonly parameters: readonly unknown[];
  /** One of them is identified by an id alone. */
  readonly hasIds: boolean;
  /** The weeks of their times. */
  readonly weeks: ReadonlySet<number>;
}

/** Throws where the row could not be stored, whatever the database's state is. */
export function checkRow<Row extends LogRow>(shape: LogShape<Row>, row: Row): void {
  const numbers = shape.columns.filter(({ type }) => type === 'int8').map(({ of }) => of(row));
  for (const number of [row.ts, row.receivedAt, ...numbers]) {
    if (number !== null && !Number.isSafeInteger(number)) throw new TypeError('a number is no whole number');
  }
  if (shape.isPartitioned) weekOf(row.ts);
}

/** Packs rows that passed {@link checkRow}. `newest` holds their latest values. */
export function packBatch<Row extends LogRow>(
  shape: LogShape<Row>,
  rows: readonly Row[],
  newest: NewestValues,
): LogBatch<Row> {
  const mark = newId();
  const devices = devicesOf(rows);
  const parameters = [
    mark,
    rows.length,
    textArray(devices.map(([id]) => id)),
    textArray(devices.map(([, { link }]) => link)),
    int8Array(devices.map(([, { at }]) => at)),
    textArray(rows.map(({ deviceId }) => deviceId)),
    int8Array(rows.map(({ ts }) => ts)),
    textArray(rows.map(storedKey)),
    int8Array(rows.map(({ receivedAt }) => receivedAt)),
    ...shape.columns.map(({ type, of }) =>
      type === 'text'
        ? textArray(rows.map((row) => of(row) as string | null))
        : int8Array(rows.map((row) => of(row) as number | null)),
    ),
    textArray(rows.map(shape.contentOf)),
    ...(shape.metricsOf === null ? [] : latestArrays(newest)),
  ];
  return {
    rows,
    mark,
    parameters,
    hasIds: rows.some(({ identity }) => identity === 'id'),
    weeks: new Set(shape.isPartitioned ? rows.map(({ ts }) => weekOf(ts)) : []),
  };
}

/** Those that show themselves by a row, sorted by id, as rows are locked in the order in which they come. */
function devicesOf(rows: readonly LogRow[]): [string, { readonly link: DeviceLink; readonly at: number }][] {
  const devices = new Map<string, { link: DeviceLink; at: number }>();
  for (const { deviceId, link, receivedAt, kind } of rows) {
    if (kind === 'presence') continue;
    const known = devices.get(deviceId);
    if (!known) devices.set(deviceId, { link, at: receivedAt });
    else if (link === 'native') known.link = link;
  }
  return [...devices].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function latestArrays(newest: NewestValues): Buffer[] {
  const values = [...newest];
  return [
    textArray(values.map(({ deviceId }) => deviceId)),
    textArray(values.map(({ metric }) => metric)),
    int8Array(values.map(({ ts }) => ts)),
    int8Array(values.map(({ receivedAt }) => receivedAt)),
    textArray(values.map(({ value }) => value)),
  ];
}
