import { type CommitLimits, GroupCommit } from '../group-commit.js';
import type { Lane, Verdict } from '../log.js';
import { splitRows } from '../split-rows.js';

/** What a stop does with what is waiting. */
export type Queue = Pick<GroupCommit<never, never>, 'drain' | 'abandon'>;

/** Gathers appends of one kind into batches. */
export class AppendQueue<Row> {
  private readonly commits: GroupCommit<readonly Row[], Verdict[]>;

  constructor(
    limits: CommitLimits,
    private readonly sizeOf: (row: Row) => number,
    append: (rows: readonly Row[], until: number) => Promise<Verdict[]>,
    onOutcome: (problem: string | null) => void,
  ) {
    this.commits = new GroupCommit(
      limits,
      async ({ entries, expiresAt }) => {
        const verdicts = await append(entries.flat(), expiresAt);
        let at = 0;
        return { ok: true, results: entries.map(({ length }) => verdicts.slice(at, (at += length))) };
      },
      onOutcome,
      () => false,
    );
  }

  get queue(): Queue {
    return this.commits;
  }

  /** Commits nothing, unless something is on its way anyway. */
  probe(): void {
    if (this.commits.idle) this.commits.submit([], 1, 0).catch(() => undefined);
  }

  /** One verdict per row, after the commit. */
  async append(rows: readonly Row[], lane: Lane, mostRows: number): Promise<Verdict[]> {
    const parts = splitRows(rows, mostRows, this.sizeOf);
    const verdicts = await Promise.all(
      parts.map((part) => {
        const size = part.reduce((sum, row) => sum + this.sizeOf(row), 0);
        return this.commits.submit(part, part.length, size, lane);
      }),
    );
    return verdicts.length === 1 ? verdicts[0]! : verdicts.flat();
  }
}
