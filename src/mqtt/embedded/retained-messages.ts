import type { RetainedMessage, RetainedStore } from '../retained.store.js';
import { detached } from './detached.js';
import { TopicTree } from './topic-tree.js';

const MAX_PER_OWNER = 16;
const MAX_TOPICS = 100_000;
const MAX_BYTES = 64 * 1_048_576;

interface Place {
  readonly owner: string | null;
  readonly size: number;
  /** The message that it was reserved for. */
  readonly message: RetainedMessage;
}

/**
 * The retained messages: in memory for subscribers, in the {@link RetainedStore} for the next start. At most 16 topics per
 * device (below the prefix: the device that the topic names, elsewhere: the client that published), 100,000 and 64 MiB in all.
 */
export class RetainedMessages {
  private readonly tree = new TopicTree<RetainedMessage>();
  private readonly places = new Map<string, Place>();
  private readonly countOf = new Map<string, number>();
  /** Messages that were admitted and not decided yet, by topic in the order of arrival. */
  private readonly undecided = new Map<string, RetainedMessage[]>();
  private readonly writing = new Map<string, Promise<void>>();
  private bytes = 0;

  constructor(
    private readonly store: RetainedStore,
    private readonly prefix: string,
  ) {}

  /** Reads what an earlier run kept. */
  async load(): Promise<void> {
    for (const message of await this.store.load()) {
      this.take(message.topic, { owner: this.ownerOf(message.topic, null), size: sizeOf(message), message });
      this.tree.set(message.topic, message);
    }
  }

  /**
   * Reserves the place for a message, or says why there is none. Our own publishes (`clientId` null) count only in all.
   */
  admit(message: RetainedMessage, clientId: string | null): string | null {
    const problem = message.payload.length === 0 ? null : this.reserve(message, clientId);
    if (problem !== null) return problem;
    this.undecided.set(message.topic, [...(this.undecided.get(message.topic) ?? []), message]);
    return null;
  }

  /** Gives the place of an admitted message back that is not kept after all, unless a later one was admitted to it. */
  withdraw(message: RetainedMessage): void {
    this.decide(message.topic, (one) => one === message);
    const place = this.places.get(message.topic);
    if (place?.message !== message) return;
    this.release(message.topic);
    const kept = this.tree.get(message.topic);
    if (kept) this.take(message.topic, { owner: place.owner, size: sizeOf(kept), message: kept });
  }

  /** Writes an admitted message, or removes the topic where the payload is empty [MQTT-3.3.1-10]. Resolves once it, or one that was admitted after it, is committed. May be called again where it rejects. */
  async commit(message: RetainedMessage): Promise<void> {
    const { topic } = message;
    // One after the other per topic, so that memory and store end with the same message.
    const earlier = this.writing.get(topic) ?? Promise.resolve();
    const written = earlier.catch(() => {}).then(() => this.write(message));
    this.writing.set(topic, written);
    try {
      await written;
    } finally {
      if (this.writing.get(topic) === written) this.writing.delete(topic);
    }
  }

  /** What a new subscriber to `filters` is sent, in the shape that aedes expects. */
  *matching(
    filters: readonly string[],
  ): Generator<RetainedMessage & { readonly cmd: 'publish'; readonly retain: true }> {
    for (const filter of filters) {
      for (const message of this.tree.matchedBy(filter)) yield { ...message, cmd: 'publish', retain: true };
    }
  }

  private async write(message: RetainedMessage): Promise<void> {
    const { topic } = message;
    // A later one was written while this one had to wait for the store.
    if (!this.undecided.get(topic)?.includes(message)) return;
    await this.keep(message);
    const last = this.undecided.get(topic)?.indexOf(message) ?? -1;
    this.decide(topic, (_, i) => i <= last);
  }

  private async keep(message: RetainedMessage): Promise<void> {
    const { topic, qos } = message;
    if (message.payload.length === 0) {
      await this.store.remove(topic);
      this.tree.delete(topic);
      this.release(topic);
      return;
    }
    await this.store.put(message);
    const kept = { topic, qos, payload: detached(message.payload) };
    this.tree.set(topic, kept);
    const place = this.places.get(topic);
    // A later message to this topic was admitted and withdrawn in the meantime.
    if (!place) this.take(topic, { owner: this.ownerOf(topic, null), size: sizeOf(kept), message: kept });
    else if (place.message === message) this.places.set(topic, { ...place, message: kept });
  }

  private reserve(message: RetainedMessage, clientId: string | null): string | null {
    const known = this.places.get(message.topic);
    const owner = known ? known.owner : this.ownerOf(message.topic, clientId);
    const size = sizeOf(message);
    if (!known && owner !== null && (this.countOf.get(owner) ?? 0) >= MAX_PER_OWNER) {
      return `it would be more than ${MAX_PER_OWNER} retained topics of one device`;
    }
    if (!known && this.places.size >= MAX_TOPICS) return `it would be more than ${MAX_TOPICS} retained topics`;
    if (this.bytes + size - (known?.size ?? 0) > MAX_BYTES) return 'the retained messages take too much room';
    this.release(message.topic);
    this.take(message.topic, { owner, size, message });
    return null;
  }

  private decide(topic: string, isDecided: (message: RetainedMessage, i: number) => boolean): void {
    const left = this.undecided.get(topic)?.filter((message, i) => !isDecided(message, i)) ?? [];
    if (left.length > 0) this.undecided.set(topic, left);
    else this.undecided.delete(topic);
  }

  private take(topic: string, place: Place): void {
    this.places.set(topic, place);
    this.bytes += place.size;
    if (place.owner !== null) this.countOf.set(place.owner, (this.countOf.get(place.owner) ?? 0) + 1);
  }

  private release(topic: string): void {
    const place = this.places.get(topic);
    if (!place) return;
    this.places.delete(topic);
    this.bytes -= place.size;
    if (place.owner === null) return;
    const left = (this.countOf.get(place.owner) ?? 0) - 1;
    if (left > 0) this.countOf.set(place.owner, left);
    else this.countOf.delete(place.owner);
  }

  private ownerOf(topic: string, clientId: string | null): string | null {
    if (!topic.startsWith(`${this.prefix}/`)) return clientId;
    const device = topic.slice(this.prefix.length + 1).split('/', 1)[0]!;
    return device === '' ? clientId : device;
  }
}

function sizeOf({ topic, payload }: RetainedMessage): number {
  return Buffer.byteLength(topic) + payload.length;
}
