import type Sqlite from 'better-sqlite3';

const MOST_STATEMENTS = 200;

/** Prepared statements by their text, the most recently used ones. */
export class StatementCache {
  private readonly statements = new Map<string, Sqlite.Statement>();

  constructor(private readonly db: Sqlite.Database) {}

  /** Throws SQLite's error where the text cannot be compiled. */
  prepare(sql: string): Sqlite.Statement {
    let statement = this.statements.get(sql);
    if (statement) {
      this.statements.delete(sql);
    } else {
      statement = this.db.prepare(sql);
      if (this.statements.size >= MOST_STATEMENTS) this.statements.delete(this.statements.keys().next().value!);
    }
    this.statements.set(sql, statement);
    return statement;
  }
}
