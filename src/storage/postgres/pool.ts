import pg from 'pg';
import { isConnectionLost } from './postgres-fault.js';
import { clientConfig, destroy, prepareSession, type SessionOptions } from './session.js';

const IDLE_MS = 60_000;

/** A few connections that are opened when they are needed. None is lent again once it was lost or its state is not known. */
export class Pool {
  private readonly pool: pg.Pool;

  constructor(url: string, options: SessionOptions, connections: number) {
    const config = {
      ...clientConfig(url, options),
      max: connections,
      idleTimeoutMillis: IDLE_MS,
      // The pool waits for it, which its types do not tell.
      onConnect: (client: pg.ClientBase) => prepareSession(client, options),
    };
    this.pool = new pg.Pool(config);
    // Without a listener an error of an idle or a busy connection would end the process; it shows at the next query.
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => client.on('error', () => {}));
  }

  /** Lends a connection to `work`. Whatever transaction it leaves open where it fails is rolled back. */
  async run<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      client.release(!(await this.isUsableAfter(error, client)));
      throw error;
    }
  }

  /** Waits for what is lent, and ends all connections. */
  close(): Promise<void> {
    return this.pool.end();
  }

  private async isUsableAfter(error: unknown, client: pg.PoolClient): Promise<boolean> {
    if (isConnectionLost(error)) {
      destroy(client);
      return false;
    }
    return client.query('rollback').then(
      () => true,
      () => false,
    );
  }
}
