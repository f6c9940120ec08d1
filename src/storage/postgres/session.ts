import pg from 'pg';
import { VERSION } from '../../common/version.js';

const CONNECT_TIMEOUT_MS = 5_000;
const KEEPALIVE_MS = 10_000;
const IDLE_IN_TRANSACTION_MS = 30_000;
/** What the client waits longer than the server is told to, before it takes the connection for dead. */
const GRACE_MS = 2_000;
const INT8 = pg.types.builtins.INT8;

/** What a connection is for. Times in milliseconds. */
export interface SessionOptions {
  /** Stands behind `signalbox` in pg_stat_activity. */
  readonly purpose: string;
  readonly readOnly: boolean;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** Sends without waiting for the answer to what was sent before. */
  readonly pipeline?: boolean;
}

/** The driver's settings for a connection; {@link prepareSession} does the rest once it stands. */
export function clientConfig(url: string, options: SessionOptions): pg.ClientConfig & { readonly pipeline: boolean } {
  const { purpose, statementTimeoutMs, lockTimeoutMs, pipeline = false } = options;
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  return {
    connectionString: url,
    application_name: `signalbox ${VERSION} ${purpose}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    query_timeout: statementTimeoutMs + GRACE_MS,
    pipeline,
    types,
  };
}

/** Sets what the driver has no setting for. A commit is never acknowledged before it is on disk, whatever the role's default is. */
export async function prepareSession(client: pg.ClientBase, { readOnly }: SessionOptions): Promise<void> {
  await client.query(
    // JIT compiles thousands of expressions for a plan over hundreds of partitions, of which a few are then looked at.
    `set default_transaction_read_only = ${readOnly ? 'on' : 'off'};
     set jit = off;
     set default_transaction_isolation = 'read committed';
     select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`,
  );
}

/** A connection of its own, ready for use. Its `error` events are listened to: what is lost shows at the next query. */
export async function connect(url: string, options: SessionOptions): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(url, options));
  client.on('error', () => {});
  try {
    await client.connect();
    await prepareSession(client, options);
    return client;
  } catch (error) {
    destroy(client);
    throw error;
  }
}

/** Ends a connection at once, without a word to the server. */
export function destroy(client: pg.Client): void {
  client.connection.stream.destroy();
}
