import pg from 'pg';
import { isConnectionLost } from './postgres-fault.js';
import { clientConfig, destroy, prepareSession, type SessionOptions } from './session.js';

const IDLE_MS = 60_000;
/** How long a close waits for what is lent, and for the server to say goodbye. */
const CLOSE_MS = 1_000;

/** A few connections that are opened when they are needed. None is lent again once it was lost or its state is not known. */
export class Pool {
  private readonly pool: pg.Pool;
  private readonly clients = new Set<pg.PoolClient>();

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
    this.pool.on('connect', (client) => {
      client.on('error', () => {});
      this.clients.add(client);
    });
    this.pool.on('remove', (client) => this.clients.delete(client));
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

  /** Ends all connections: those that are lent, or whose server does not answer, after 1 s. */
  async close(): Promise<void> {
    const late = setTimeout(() => {
      for (const client of this.clients) destroy(client);
    }, CLOSE_MS);
    await this.pool.end();
    clearTimeout(late);
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
