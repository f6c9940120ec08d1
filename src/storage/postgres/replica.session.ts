import { Logger } from '@nestjs/common';
import type pg from 'pg';
import { StartupError } from '../../common/startup.error.js';
import type { NewsTopic } from '../database.js';
import type { NewsBoard } from '../news-board.js';
import { NEWS_CHANNEL } from './job-runner.js';
import { LOCK_SPACE, LOCKS } from './log-statement.js';
import { messageOf } from './postgres-fault.js';
import { connect, destroy, type SessionOptions } from './session.js';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2_000;
/** A connection that says nothing for so long is asked whether it still stands. */
const CHECK_MS = 10_000;
/** How long a start waits for a predecessor that is just ending. */
const START_WAIT_MS = 1_000;

export interface ReplicaOptions {
  /** No other replica may use the database; else those that are not exclusive may. */
  readonly exclusive: boolean;
  /** Told whenever the right to use the database is there (null) or is another's (why). */
  readonly onRight: (problem: string | null) => void;
}

/**
 * This replica's presence in the database, on a connection of its own: a lock of that session, exclusive or shared, which the
 * server frees as soon as the process is gone, and the news of all replicas. It is opened again whenever it is lost.
 */
export class ReplicaSession {
  private readonly logger = new Logger('Storage');
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly session: SessionOptions,
    private readonly options: ReplicaOptions,
    private readonly board: NewsBoard,
  ) {}

  /** Takes the right to use the database. Throws StartupError where another replica has it, and the driver's errors. */
  async start(): Promise<void> {
    const until = Date.now() + START_WAIT_MS;
    while (!(await this.open())) {
      if (Date.now() >= until) throw this.refusal();
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS));
    }
  }

  /** Gives the right back. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    if (this.client) destroy(this.client);
    this.client = null;
  }

  /** False where another replica has the right. */
  private async open(): Promise<boolean> {
    const client = await connect(this.url, this.session);
    try {
      const lock = this.options.exclusive ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
      const { rows } = await client.query<{ held: boolean }>(
        `select ${lock}(${LOCK_SPACE}, ${LOCKS.replicas}) as held`,
      );
      if (this.stopped || !rows[0]!.held) {
        destroy(client);
        return false;
      }
      client.on('notification', ({ payload = '' }) => {
        const blank = payload.indexOf(' ');
        this.board.tell({ topic: payload.slice(0, blank) as NewsTopic, detail: payload.slice(blank + 1) });
      });
      await client.query(`listen ${NEWS_CHANNEL}`);
    } catch (error) {
      destroy(client);
      throw error;
    }
    client.on('end', () => this.lose(client));
    this.client = client;
    this.failures = 0;
    this.checkLater(client);
    return true;
  }

  private checkLater(client: pg.Client): void {
    this.timer = setTimeout(() => {
      client.query('select 1').then(
        () => this.client === client && this.checkLater(client),
        () => destroy(client),
      );
    }, CHECK_MS);
  }

  private lose(client: pg.Client): void {
    if (this.client !== client || this.stopped) return;
    this.client = null;
    clearTimeout(this.timer);
    this.logger.warn('the connection for news of other replicas was lost and is opened again');
    this.openLater();
  }

  private openLater(): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.failures++, LAST_PAUSE_MS) * (0.5 + Math.random() / 2);
    this.timer = setTimeout(() => {
      this.open().then(
        (held) => this.hear(held),
        (error: unknown) => {
          this.logger.debug(`the connection for news could not be opened: ${messageOf(error)}`);
          if (!this.stopped) this.openLater();
        },
      );
    }, pause);
  }

  private hear(held: boolean): void {
    if (this.stopped) return;
    this.options.onRight(held ? null : this.refusal().message);
    if (held) this.board.tellOfGap();
    else this.openLater();
  }

  private refusal(): StartupError {
    return this.options.exclusive
      ? new StartupError(
          'Another Signalbox uses this database, and with an embedded broker only one may: what one takes in the other would not see.',
          'Set MQTT_URL on all replicas to run several of them at an external broker, or stop the other, or set DATABASE_URL to a database of its own.',
        )
      : new StartupError(
          'Another Signalbox with an embedded broker uses this database alone.',
          'Set MQTT_URL on all replicas to run several of them at an external broker, or stop the other, or set DATABASE_URL to a database of its own.',
        );
  }
}
