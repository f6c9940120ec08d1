import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { eventually } from '../support/eventually.js';
import type { SqliteDatabase } from '../../src/storage/sqlite/sqlite.database.js';

/** The process of child.mjs, and what it has said so far. */
export class AppendingProcess {
  private readonly child: ChildProcess;
  private output = '';

  constructor(dataDir: string, first = 0) {
    this.child = spawn(process.execPath, [resolve('test/storage/child.mjs'), dataDir, String(first)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The lines that begin with `word`, without it. */
  said(word: string): string[] {
    const lines = this.output.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  }

  /** The numbers of the readings that were acknowledged. */
  acknowledged(): number[] {
    return this.said('ack').flatMap((range) => {
      const [from, to] = range.split(' ').map(Number) as [number, number];
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
  }

  /** Resolves once it has acknowledged `count` more appends. */
  async appends(count: number): Promise<void> {
    const before = this.said('ack').length;
    await eventually(`${count} appends are acknowledged`, () => {
      if (this.child.exitCode !== null) throw new Error(`the process ended: ${this.output}`);
      return this.said('ack').length >= before + count;
    });
  }

  order(word: 'append' | 'pause' | 'crash'): void {
    this.child.stdin!.write(`${word}\n`);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** How often each reading of {@link AppendingProcess} is in the database, by its number. */
export async function storedNumbers(database: SqliteDatabase): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  let after = 0;
  for (;;) {
    const rows = await database.scan
      .selectFrom('readings')
      .select(['position', 'seq'])
      .where('position', '>', after)
      .orderBy('position')
      .limit(10_000)
      .execute();
    for (const { seq } of rows) counts.set(seq!, (counts.get(seq!) ?? 0) + 1);
    if (rows.length === 0) return counts;
    after = rows.at(-1)!.position;
  }
}
