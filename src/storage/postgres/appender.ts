import type pg from 'pg';
import type { Verdict } from '../log.js';
import { messageOf, constraintOf, isFaultOfRow, toStorageError } from './postgres-fault.js';
import type { OwnConnection } from './own-connection.js';
import { type Patience, retry } from './retry.js';

/** Rows as one statement under a mark, which no two commits share. */
export interface MarkedBatch<Row> {
  readonly rows: readonly Row[];
  readonly mark: string;
}

/** How rows of one kind are appended. */
export interface AppendPlan<Row, Batch extends MarkedBatch<Row>> {
  /** Packs the rows; a row that can never be stored is given to `refuse` by its index and left out. */
  pack(rows: readonly Row[], refuse: (index: number, detail: string) => void): Batch;
  /** Commits the batch; one verdict per row of it. */
  commit(client: pg.Client, batch: Batch): Promise<Verdict[]>;
  /** The verdicts of a batch that was committed without our hearing of it. `base`: its mark's. */
  recall(client: pg.Client, batch: Batch, base: number): Promise<Verdict[]>;
}

/** Violated where a batch or job is sent again that was committed. */
export const MARK_CONSTRAINT = 'commit_marks_pkey';

const FAILED_DETAIL_LENGTH = 200;

/**
 * Appends rows batch by batch on one connection. A lost connection or a passing fault is retried under the same mark, so that
 * nothing is stored twice and nothing that is stored is reported as failed; a row that cannot be stored fails alone.
 */
export class Appender<Row, Batch extends MarkedBatch<Row>> {
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly connection: OwnConnection,
    private readonly plan: AppendPlan<Row, Batch>,
  ) {}

  /** One verdict per row, after the commit. Batches commit in the order of the calls. Rejects with STORAGE_UNAVAILABLE. */
  append(rows: readonly Row[], patience: Patience): Promise<Verdict[]> {
    const packed = this.pack(rows);
    const verdicts = this.turn.then(() => this.settle(packed, patience));
    this.turn = verdicts.catch(() => {});
    return verdicts;
  }

  private pack(rows: readonly Row[]): { readonly batch: Batch; readonly refused: ReadonlyMap<number, Verdict> } {
    const refused = new Map<number, Verdict>();
    const batch = this.plan.pack(rows, (index, detail) => refused.set(index, { outcome: 'failed', detail }));
    return { batch, refused };
  }

  private async settle({ batch, refused }: ReturnType<typeof this.pack>, patience: Patience): Promise<Verdict[]> {
    if (batch.rows.length === 0) await this.probe(batch, patience);
    const accepted = batch.rows.length === 0 ? [] : await this.store(batch, patience);
    if (refused.size === 0) return accepted;
    const rest = accepted.values();
    return Array.from({ length: accepted.length + refused.size }, (_, i) => refused.get(i) ?? rest.next().value!);
  }

  /** Commits a mark without rows, so that no answer is given without the database. */
  private async probe({ mark }: Batch, patience: Patience): Promise<void> {
    try {
      await retry(patience, () =>
        this.connection.run((client) =>
          client.query('insert into commit_marks (id, base) values ($1, 0) on conflict do nothing', [mark]),
        ),
      );
    } catch (error) {
      throw toStorageError(error);
    }
  }

  private async store(batch: Batch, patience: Patience): Promise<Verdict[]> {
    try {
      return await retry(patience, () => this.connection.run((client) => this.attempt(client, batch)));
    } catch (error) {
      if (!isFaultOfRow(error)) throw toStorageError(error);
      if (batch.rows.length === 1) {
        return [{ outcome: 'failed', detail: messageOf(error).slice(0, FAILED_DETAIL_LENGTH) }];
      }
      return this.halve(batch, patience);
    }
  }

  /** One of the rows cannot be stored: looks for it, and stores its neighbours. */
  private async halve({ rows }: Batch, patience: Patience): Promise<Verdict[]> {
    const middle = rows.length >> 1;
    const first = await this.settle(this.pack(rows.slice(0, middle)), patience);
    const second = await this.settle(this.pack(rows.slice(middle)), patience);
    return [...first, ...second];
  }

  private async attempt(client: pg.Client, batch: Batch): Promise<Verdict[]> {
    try {
      return await this.plan.commit(client, batch);
    } catch (error) {
      if (constraintOf(error) !== MARK_CONSTRAINT) throw error;
    }
    // An earlier attempt was committed, only its answer was lost.
    const { rows } = await client.query<{ base: number }>('select base from commit_marks where id = $1', [batch.mark]);
    return this.plan.recall(client, batch, rows[0]!.base);
  }
}
