import { Injectable, Logger } from '@nestjs/common';
import { matchesFilter } from '../common/topic.js';
import { Database } from '../storage/database.js';
import { StatementError } from '../storage/storage.errors.js';

/** A raw message as it is kept. `receivedAt` in epoch milliseconds. */
export interface LoggedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly receivedAt: number;
}

/** Rows looked at in one query: topics are short, whole messages may have 256 KiB. */
const TOPICS_PER_QUERY = 10_000;
const MESSAGES_PER_QUERY = 50;

/** The raw message log. */
@Injectable()
export class MessageRepository {
  private readonly logger = new Logger('Messages');

  constructor(private readonly database: Database) {}

  /** Keeps the messages in the order given; resolves after the commit. One that the database refuses for its own fault is left out and reported. */
  async add(messages: readonly LoggedMessage[]): Promise<void> {
    // A job each, though they share a commit: one that the database refuses fails alone.
    const outcomes = await Promise.allSettled(
      messages.map(({ topic, payload, qos, retain, receivedAt }) =>
        this.database.write([
          this.database.sql
            .insertInto('messages')
            .values({ topic, payload, qos, retain: retain ? 1 : 0, received_at: receivedAt })
            .compile(),
        ]),
      ),
    );
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue;
      if (!(outcome.reason instanceof StatementError)) throw outcome.reason;
      // It would be refused again however often it is sent.
      this.logger.error(`a message was left out of the log: ${outcome.reason.message}`);
    }
  }

  /** The places in the log of the newest `limit` messages whose topic matches `filter` (null = all), oldest of them first. */
  async newest(limit: number, filter: string | null): Promise<number[]> {
    const seqs: number[] = [];
    let before = Number.MAX_SAFE_INTEGER;
    for (;;) {
      const size = filter === null ? limit : TOPICS_PER_QUERY;
      const rows = await this.database.scan
        .selectFrom('messages')
        .select(['seq', 'topic'])
        .where('seq', '<', before)
        .orderBy('seq', 'desc')
        .limit(size)
        .execute();
      seqs.push(...rows.filter(({ topic }) => filter === null || matchesFilter(filter, topic)).map(({ seq }) => seq));
      if (seqs.length >= limit || rows.length < size) return seqs.slice(0, limit).toReversed();
      before = rows.at(-1)!.seq;
    }
  }

  /** The messages at these places, in that order and a bounded number at a time; those removed meanwhile are left out. */
  async *read(seqs: readonly number[]): AsyncGenerator<readonly LoggedMessage[]> {
    for (let i = 0; i < seqs.length; i += MESSAGES_PER_QUERY) {
      const rows = await this.database.scan
        .selectFrom('messages')
        .selectAll()
        .where('seq', 'in', seqs.slice(i, i + MESSAGES_PER_QUERY))
        .orderBy('seq')
        .execute();
      yield rows.map(({ topic, payload, qos, retain, received_at }) => ({
        topic,
        payload,
        qos,
        retain: retain === 1,
        receivedAt: received_at,
      }));
    }
  }
}
