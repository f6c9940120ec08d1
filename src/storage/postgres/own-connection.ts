import type pg from 'pg';
import { isConnectionLost } from './postgres-fault.js';
import { connect, destroy, type SessionOptions } from './session.js';

/** One connection that is opened when it is needed, and again after it was lost. */
export class OwnConnection {
  private client: Promise<pg.Client> | null = null;

  constructor(
    private readonly url: string,
    private readonly options: SessionOptions,
  ) {}

  /** Runs `work` on the connection. An error after which its state is not known ends the connection; it is passed on in any case. */
  async run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const opening = (this.client ??= this.open());
    let client: pg.Client | undefined;
    try {
      client = await opening;
      return await work(client);
    } catch (error) {
      if (!client || isConnectionLost(error)) {
        if (this.client === opening) this.client = null;
        if (client) destroy(client);
      }
      throw error;
    }
  }

  /** Ends the connection at once. */
  async close(): Promise<void> {
    const opening = this.client;
    this.client = null;
    const client = await opening?.catch(() => null);
    if (client) destroy(client);
  }

  private open(): Promise<pg.Client> {
    const opening = connect(this.url, this.options).then((client) => {
      client.on('end', () => {
        if (this.client === opening) this.client = null;
      });
      return client;
    });
    return opening;
  }
}
