import { matchesFilter, topicProblem } from '../../common/topic.js';
import type { BrokerConfig } from '../../config/broker.config.js';
import type { SeatStore } from '../seat.store.js';
import { TopicCache } from '../topic-cache.js';
import type { Verdict } from './intake.js';
import { LeaseKeeper } from './lease.keeper.js';
import { Reader, type ReaderParts } from './reader.js';
import { OrderedReader, type Others } from './ordered.reader.js';

/** The seat whose holder also reads what must stay in order, and tells whether Signalbox is there. */
const FIRST = '1';
/** How long giving the leases back may take at a stop. */
const LEAVE_MS = 2_000;

export interface SeatsParts extends ReaderParts {
  readonly broker: BrokerConfig;
  readonly store: SeatStore;
  /** What the seats share. */
  readonly filters: readonly string[];
  /** What `filters` cover, and an older session may still be subscribed to. */
  readonly covered: readonly string[];
  /** What one session alone reads: messages whose order counts, or of which the retained ones are wanted. */
  readonly inOrder: readonly string[];
}

/**
 * The reading sessions that this replica holds: open as long as their lease is valid, handed over where others hold too few,
 * cut at once where a lease has run out.
 */
export class Seats {
  private readonly leases: LeaseKeeper;
  private readonly readers = new Map<string, Reader>();
  private readonly leaving = new Map<string, Promise<void>>();
  private readonly ordered: OrderedReader;
  private readonly names: readonly string[];
  private readonly verdicts: TopicCache<Verdict>;

  constructor(private readonly parts: SeatsParts) {
    const { broker, store, inOrder, line } = parts;
    this.names = Array.from({ length: broker.seats }, (_, i) => String(i + 1));
    this.leases = new LeaseKeeper(store, this.names, {
      known: () => line.journal.changed(),
      held: (name) => this.open(name),
      lost: (name) => this.cut(name),
      surplus: (name) => this.handOver(name),
      failed: (error) =>
        line.journal.note('leases.failed', 'the leases of the reading sessions cannot be renewed', () => ({
          detail: error instanceof Error ? error.message : String(error),
          hint: 'The database is away. What we hold is read for at most 10 s more, so that no other replica reads it too.',
        })),
    });
    this.verdicts = new TopicCache((topic) => this.verdictOf(topic));
    this.ordered = new OrderedReader(parts, {
      clientId: `${broker.shareGroup}-status`,
      filters: inOrder,
      judge: (topic) => this.judge(FIRST, this.isInOrder(topic) ? 'deliver' : 'acknowledge'),
      onStop: () => this.cut(FIRST),
      beforeRedial: this.look(),
    });
  }

  /** The store has answered, and everything that we hold is subscribed; to hold nothing is fine. */
  get isReady(): boolean {
    if (!this.leases.known) return false;
    return this.names.every((name) => this.isReadyOf(name));
  }

  start(): void {
    this.leases.start();
  }

  /** Hands everything over: in flight messages are finished and acknowledged, then the leases are given back. */
  async stop(): Promise<void> {
    this.leases.stop();
    const others = this.others();
    await Promise.all(this.names.map((name) => this.leave(name, others)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, LEAVE_MS)));
    await Promise.race([this.leases.leave(), late]);
    clearTimeout(timer);
  }

  private open(name: string): void {
    this.count();
    if (this.leaving.has(name)) return;
    this.readerOf(name).open();
    if (name === FIRST) this.ordered.open();
  }

  private cut(name: string): void {
    this.readers.get(name)?.cut();
    if (name === FIRST) this.ordered.cut();
    this.count();
  }

  private handOver(name: string): void {
    if (this.leaving.has(name)) return;
    const left = this.giveBack(name).finally(() => this.leaving.delete(name));
    this.leaving.set(name, left);
  }

  private async giveBack(name: string): Promise<void> {
    await this.leave(name, 'waiting');
    await this.leases.release(name);
    this.count();
  }

  private async leave(name: string, others: Others): Promise<void> {
    await Promise.all([this.readers.get(name)?.leave(), name === FIRST ? this.ordered.leave(others) : null]);
  }

  /** Live replicas hold the seats evenly, so whoever holds all of several is alone. */
  private others(): Others {
    if (this.leases.count < this.names.length) return 'waiting';
    return this.names.length > 1 ? 'none' : 'perhaps';
  }

  private isReadyOf(name: string): boolean {
    if (!this.leases.isValid(name) || this.leaving.has(name)) return true;
    return this.readers.get(name)?.isReady === true && (name !== FIRST || this.ordered.isReady);
  }

  private readerOf(name: string): Reader {
    const known = this.readers.get(name);
    if (known) return known;
    const { broker, filters, covered } = this.parts;
    const share = (filter: string): string => `$share/${broker.shareGroup}/${filter}`;
    const reader = new Reader(this.parts, {
      name: `seat ${name}`,
      clientId: `${broker.shareGroup}-seat-${name}`,
      filters: filters.map(share),
      covered: covered.map(share),
      shared: true,
      judge: (topic) => this.judge(name, this.verdicts.get(topic)),
      onStop: () => this.cut(name),
      beforeRedial: this.look(),
    });
    this.readers.set(name, reader);
    return reader;
  }

  /** Looks at the lease before dialling again: whoever has it now may be the one that took the session over. */
  private look(): () => Promise<void> {
    return () => this.leases.renewedSince(performance.now());
  }

  private judge(name: string, verdict: Verdict): Verdict {
    return this.leases.isValid(name) ? verdict : 'stop';
  }

  private isInOrder(topic: string): boolean {
    return this.parts.inOrder.some((filter) => matchesFilter(filter, topic));
  }

  private verdictOf(topic: string): Verdict {
    if (this.isInOrder(topic)) return 'acknowledge';
    const problem = topicProblem(topic);
    if (problem === null) return 'deliver';
    this.parts.line.journal.note('refused.topic', 'message on a topic that we do not read', () => ({
      detail: problem,
      topic: topic.slice(0, 256),
    }));
    return 'acknowledge';
  }

  private count(): void {
    this.parts.line.journal.seats = this.leases.count;
  }
}
