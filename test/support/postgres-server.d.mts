export interface PostgresServer {
  readonly port: number;
  /** Starts it, again on the same port with the same data. */
  start(): Promise<void>;
  /** Ends it, its data staying as they are: `SIGINT` = fast shutdown, `SIGQUIT` = as a crash. */
  stop(signal?: 'SIGINT' | 'SIGQUIT'): Promise<void>;
  /** Ends it where it runs and removes all its files. */
  remove(): Promise<void>;
}
export const USER: string;
export function createServer(bin: string, settings?: Readonly<Record<string, string>>): Promise<PostgresServer>;
