import type pg from 'pg';
import type { DeviceCreation } from '../database.js';
import type { Verdict } from '../log.js';
import { NewestValues } from '../newest-values.js';
import { sameJson } from '../same-json.js';
import { type AppendPlan, MARK_CONSTRAINT } from './appender.js';
import { int8Array, textArray } from './binary-array.js';
import { checkRow, type LogBatch, packBatch } from './log-batch.js';
import { type LogRow, type LogShape, storedKey } from './log-shape.js';
import { anyRowsStatement, contentStatement, newRowsStatement } from './log-statement.js';
import type { Partitions } from './partitions.js';
import { constraintOf, messageOf, sqlState } from './postgres-fault.js';

const STORED: Verdict = { outcome: 'stored' };
const UNIQUE_VIOLATION = '23505';
const CHECK_VIOLATION = '23514';
/** Duplicates seldom come alone: after one, so many batches are sent at once by the statement that expects them. */
const BATCHES_AFTER_DUPLICATE = 20;

interface Appended {
  readonly base: number;
  /** Not told by the statement for new rows. */
  readonly stored: string;
}

/** Appends to one table of the log. */
export class LogPlan<Row extends LogRow> implements AppendPlan<Row, LogBatch<Row>> {
  private readonly newText: string;
  private readonly anyText: string;
  private readonly contentText: string;
  private expectDuplicates = 0;

  constructor(
    private readonly shape: LogShape<Row>,
    private readonly partitions: Partitions,
    creation: DeviceCreation,
  ) {
    this.newText = newRowsStatement(shape, creation);
    this.anyText = anyRowsStatement(shape, creation);
    this.contentText = contentStatement(shape);
  }

  pack(rows: readonly Row[], refuse: (index: number, detail: string) => void): LogBatch<Row> {
    const newest = new NewestValues();
    const { contentOf, metricsOf } = this.shape;
    const sound = rows.filter((row, index) => {
      try {
        checkRow(this.shape, row);
        if (metricsOf) newest.offer({ ...row, content: contentOf(row), metrics: metricsOf(row) });
        return true;
      } catch (error) {
        refuse(index, messageOf(error));
        return false;
      }
    });
    return packBatch(this.shape, sound, newest);
  }

  async commit(client: pg.Client, batch: LogBatch<Row>): Promise<Verdict[]> {
    const { table, metricsOf } = this.shape;
    if (this.expectDuplicates === 0 && !batch.hasIds) {
      try {
        await this.send(client, batch, { name: `new ${table}`, text: this.newText, values: [...batch.parameters] });
        return batch.rows.map(() => STORED);
      } catch (error) {
        if (sqlState(error) !== UNIQUE_VIOLATION || constraintOf(error) === MARK_CONSTRAINT) throw error;
        this.expectDuplicates = BATCHES_AFTER_DUPLICATE;
      }
    } else if (this.expectDuplicates > 0) {
      this.expectDuplicates--;
    }
    const metrics = metricsOf === null ? [] : [textArray(batch.rows.map(metricsOf))];
    const values = [...batch.parameters, ...metrics];
    const { base, stored } = await this.send(client, batch, { name: `any ${table}`, text: this.anyText, values });
    const positions = stored === '' ? [] : stored.split(',').map(Number);
    return this.judge(client, batch, base, new Set(positions));
  }

  async recall(client: pg.Client, batch: LogBatch<Row>, base: number): Promise<Verdict[]> {
    const { rows } = await client.query<{ position: number }>(
      `select position from ${this.shape.table} where position > $1 and position <= $2`,
      [base, base + batch.rows.length],
    );
    return this.judge(client, batch, base, new Set(rows.map(({ position }) => position)));
  }

  /** Sends the statement, once more where another replica has dropped the partition of a row. */
  private async send(client: pg.Client, { weeks }: LogBatch<Row>, statement: pg.QueryConfig): Promise<Appended> {
    const attempt = async () => {
      await this.partitions.ensure(client, weeks);
      return (await client.query<Appended>(statement)).rows[0]!;
    };
    try {
      return await attempt();
    } catch (error) {
      // PostgreSQL has no code of its own for a missing partition.
      if (sqlState(error) !== CHECK_VIOLATION || constraintOf(error) !== '') throw error;
      this.partitions.forget();
      return attempt();
    }
  }

  /** Tells duplicates from conflicts among the rows that were there already. */
  private async judge(client: pg.Client, { rows }: LogBatch<Row>, base: number, stored: ReadonlySet<number>) {
    const verdicts: Verdict[] = rows.map(() => STORED);
    const others = [...rows.keys()].filter((i) => !stored.has(base + i + 1));
    for (const i of others) verdicts[i] = { outcome: 'duplicate' };
    if (others.length === 0) return verdicts;
    const { rows: found } = await client.query<{ n: number; content: string }>(this.contentText, [
      textArray(others.map((i) => rows[i]!.deviceId)),
      int8Array(others.map((i) => rows[i]!.ts)),
      textArray(others.map((i) => storedKey(rows[i]!))),
    ]);
    for (const { n, content } of found) {
      const i = others[n - 1]!;
      if (!sameJson(content, this.shape.contentOf(rows[i]!))) verdicts[i] = { outcome: 'conflict' };
    }
    return verdicts;
  }
}
