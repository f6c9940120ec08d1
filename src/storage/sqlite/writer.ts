import type Sqlite from 'better-sqlite3';
import type { StatementResult } from '../database.js';
import { monotonicMs } from '../monotonic.js';
import { LogAppender } from './log-appender.js';
import { openForWriting } from './open-file.js';
import {
  type AppendEntry,
  type AppendResult,
  type WriteBatch,
  type WriteReply,
  type Entry,
  type EntryResult,
  type JobEntry,
  type WireStatement,
  type WorkerSettings,
} from './protocol.js';
import { isDatabaseFault, sqliteCode, wireError } from './sqlite-fault.js';
import { StatementCache } from './statement-cache.js';

/** All that lives as long as one connection. It is thrown away whole after a rollback, and with it every memory of what was not committed. */
class Session {
  readonly appender: LogAppender;
  readonly statements: StatementCache;
  readonly begin: Sqlite.Statement;
  readonly commit: Sqlite.Statement;
  readonly savepoint: Sqlite.Statement;
  readonly release: Sqlite.Statement;
  readonly rollBackTo: Sqlite.Statement;

  constructor(
    readonly db: Sqlite.Database,
    settings: WorkerSettings,
  ) {
    this.appender = new LogAppender(db, settings);
    this.statements = new StatementCache(db);
    this.begin = db.prepare('begin immediate');
    this.commit = db.prepare('commit');
    this.savepoint = db.prepare('savepoint job');
    this.release = db.prepare('release job');
    this.rollBackTo = db.prepare('rollback to job');
  }
}

/** Pause between two looks at a lock that another program holds. */
const LOCK_POLL_MS = 20;

type Append = (appender: LogAppender, entry: AppendEntry) => AppendResult;

/** Runs batches, each as one transaction with one fsync. Needs no help after a failure: the next batch begins afresh. */
export class Writer {
  private session: Session | null = null;

  constructor(private readonly settings: WorkerSettings) {}

  /** Opens the file now instead of with the first batch. Throws SQLite's error. */
  open(): void {
    this.present();
  }

  run({ expiresAt, entries }: WriteBatch): WriteReply {
    if (monotonicMs() >= expiresAt) {
      return {
        ok: false,
        error: { unavailable: true, code: 'EXPIRED', message: 'the deadline passed before it began' },
      };
    }
    try {
      return { ok: true, results: this.transact(entries) };
    } catch (error) {
      return { ok: false, error: wireError(error, true) };
    }
  }

  /** Writes the log back into the database file and closes it. */
  close(): void {
    if (!this.session) return;
    const { db } = this.session;
    this.session = null;
    // Another program may be reading: then the log stays beside the file, which is just as safe.
    db.pragma('wal_checkpoint(truncate)');
    db.close();
  }

  private transact(entries: readonly Entry[]): EntryResult[] {
    try {
      return this.attempt(entries, (appender, entry) => appender.append(entry));
    } catch (error) {
      if (isDatabaseFault(error)) throw error;
      // A job keeps its errors to itself, so this one is a row's: find that row and store its neighbours.
      return this.attempt(entries, (appender, entry) => appender.appendOneByOne(entry));
    }
  }

  private present(): Session {
    return (this.session ??= new Session(openForWriting(this.settings.dataDir), this.settings));
  }

  /** Takes the write lock; another program may hold it for a while. */
  private begin({ begin }: Session): void {
    const { lockWaitMs, stop } = this.settings;
    const until = monotonicMs() + lockWaitMs;
    for (;;) {
      try {
        begin.run();
        return;
      } catch (error) {
        if (!sqliteCode(error).startsWith('SQLITE_BUSY') || monotonicMs() >= until) throw error;
        if (Atomics.wait(stop, 0, 0, LOCK_POLL_MS) !== 'timed-out') throw error;
      }
    }
  }

  private attempt(entries: readonly Entry[], append: Append): EntryResult[] {
    const session = this.present();
    const { db, appender } = session;
    try {
      this.begin(session);
      const results = entries.map((entry) => (entry.kind === 'job' ? runJob(session, entry) : append(appender, entry)));
      appender.flush();
      session.commit.run();
      return results;
    } catch (error) {
      this.session = null;
      db.close();
      throw error;
    }
  }
}

function runJob(session: Session, { statements }: JobEntry): EntryResult {
  session.appender.flush();
  session.savepoint.run();
  try {
    const results = statements.map((statement) => runStatement(session, statement));
    session.release.run();
    return { kind: 'job', results };
  } catch (error) {
    if (isDatabaseFault(error) || !session.db.inTransaction) throw error;
    session.rollBackTo.run();
    session.release.run();
    return { kind: 'error', error: wireError(error, false) };
  }
}

function runStatement({ statements, appender }: Session, { sql, parameters }: WireStatement): StatementResult {
  const statement = statements.prepare(sql);
  let result: StatementResult;
  if (statement.reader) {
    const rows = statement.all(...parameters) as Record<string, unknown>[];
    result = { rows, changes: statement.readonly ? 0 : rows.length };
  } else {
    result = { rows: [], changes: statement.run(...parameters).changes };
  }
  if (result.changes > 0 && /\bdevices\b/i.test(sql)) appender.devices.clear();
  return result;
}
