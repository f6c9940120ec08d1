import { Injectable, Logger } from '@nestjs/common';
import { pagesBySize, type Place } from '../common/page-by-size.js';
import { matchesFilter } from '../common/topic.js';
import { Database, type Statement } from '../storage/database.js';
import { splitRows } from '../storage/split-rows.js';
import { StatementError } from '../storage/storage.errors.js';

/** A raw message as it is kept. `receivedAt` in epoch milliseconds. */
export interface LoggedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly receivedAt: number;
}

/** Messages of one job, unless their payloads are large. */
const MESSAGES_PER_JOB = 500;
/** Topics looked at in one query. */
const TOPICS_PER_QUERY = 10_000;

/** The raw message log. */
@Injectable()
export class MessageRepository {
  private readonly logger = new Logger('Messages');
  /** Those of batches that failed in part: the batch comes again, as the same objects. */
  private readonly kept = new WeakSet<LoggedMessage>();

  constructor(private readonly database: Database) {}

  /**
   * Keeps the messages in the order given; resolves after the commit. One that the database refuses for its own fault is left out
   * and reported. May be called again with the same objects where it rejects: what was kept by then is not kept twice.
   */
  async add(batch: readonly LoggedMessage[]): Promise<void> {
    const messages = batch.filter((message) => !this.kept.has(message));
    for (const part of splitRows(messages, MESSAGES_PER_JOB, ({ payload }) => payload.length)) await this.addPart(part);
  }

  /** Throws STORAGE_UNAVAILABLE while the database is away. */
  refuseWhileDown(): void {
    this.database.refuseWhileDown();
  }

  /** The places in the log of the newest `limit` messages whose topic matches `filter` (null = all), oldest of them first. */
  async newest(limit: number, filter: string | null): Promise<Place[]> {
    const places: Place[] = [];
    let before = Number.MAX_SAFE_INTEGER;
    for (;;) {
      const size = filter === null ? limit : TOPICS_PER_QUERY;
      const rows = await this.candidates(filter)
        .select(['seq as key', 'topic', (eb) => eb.fn<number>('length', ['payload']).as('size')])
        .where('seq', '<', before)
        .orderBy('seq', 'desc')
        .limit(size)
        .execute();
      places.push(...rows.filter(({ topic }) => filter === null || matchesFilter(filter, topic)));
      if (places.length >= limit || rows.length < size) return places.slice(0, limit).toReversed();
      before = rows.at(-1)!.key;
    }
  }

  /** The messages at these places, in that order and a bounded size at a time; those removed meanwhile are left out. */
  async *read(places: readonly Place[]): AsyncGenerator<readonly LoggedMessage[]> {
    for (const seqs of pagesBySize(places)) {
      const rows = await this.database.scan
        .selectFrom('messages')
        .selectAll()
        .where('seq', 'in', seqs)
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

  /** As one job, because a transaction for each message is dear on PostgreSQL. Where one cannot be kept, each by itself. */
  private async addPart(messages: readonly LoggedMessage[]): Promise<void> {
    try {
      await this.database.write(messages.map((message) => this.insert(message)));
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      if (messages.length > 1) {
        for (const message of messages) await this.addPart([message]);
        return;
      }
      // It would be refused again however often it is sent.
      this.logger.error(`a message was left out of the log: ${error.message}`);
    }
    for (const message of messages) this.kept.add(message);
  }

  private insert({ topic, payload, qos, retain, receivedAt }: LoggedMessage): Statement {
    return this.database.sql
      .insertInto('messages')
      .values({ topic, payload, qos, retain: retain ? 1 : 0, received_at: receivedAt })
      .compile();
  }

  /** What may match `filter`, judged by the database, so that only likely rows come to this thread. */
  private candidates(filter: string | null) {
    const messages = this.database.scan.selectFrom('messages');
    if (filter === null) return messages;
    const wildcard = filter.search(/[+#]/);
    if (wildcard < 0) return messages.where('topic', '=', filter);
    // "a/#" matches "a" as well [MQTT-4.7.1-2].
    const prefix = filter.slice(0, wildcard).replace(/\/$/, '');
    return prefix === '' ? messages : messages.where('topic', '>=', prefix).where('topic', '<', `${prefix}\u{10FFFF}`);
  }
}
