import type { BaseRpcContext, MessageHandler } from '@nestjs/microservices';
import type { TopicConfig } from '../config/topic.config.js';
import { HandlerRoute } from './handler-route.js';
import { Holding } from './holding.js';
import type { Delivery } from './link.js';
import type { TopicMessage } from './message.js';
import type { HandlerRole, IsBulk } from './on-topic.decorator.js';

/**
 * Messages that a handler gets at once at most. A turn that brings more is handed on in parts, so that the first are on their
 * way to the disk while the rest is still being parsed: a third more acknowledged per second (decision 7).
 */
const MAX_BATCH = 512;

/**
 * Bytes of payloads of one client that share a batch with other clients' in one turn. What goes beyond is handed on by itself,
 * because a batch is acknowledged whole and a neighbour's message must not wait for one client's bulk.
 */
const MAX_SHARE = 4_096;

/** A delivery and how many of its handlers are still to resolve. */
export class Pending {
  constructor(
    readonly delivery: Delivery,
    public left: number,
  ) {}
}

/** Messages that are handed to a handler together. */
export interface Gathering {
  readonly messages: TopicMessage[];
  readonly pending: Pending[];
}

/** A handler with what has been gathered for it in this turn of the event loop. */
export class BatchRoute extends HandlerRoute {
  readonly holding = new Holding();
  private shared: Gathering = { messages: [], pending: [] };
  private readonly apart = new Map<string, Gathering>();
  private readonly shares = new Map<string, number>();

  constructor(
    readonly pattern: string,
    role: HandlerRole,
    private readonly isBulk: IsBulk,
    topics: TopicConfig,
    readonly handler: MessageHandler<readonly TopicMessage[], BaseRpcContext, unknown>,
  ) {
    super(pattern, role, topics);
  }

  /** Adds a message; returns what is to be handed on now because it is full. */
  add(message: TopicMessage, pending: Pending): Gathering | null {
    // An external broker does not tell who published: then the device that the topic names stands for its client.
    const sender = message.clientId ?? message.params['deviceId'] ?? message.topic;
    let gathering = this.shared;
    const share = (this.shares.get(sender) ?? 0) + message.payload.length;
    this.shares.set(sender, share);
    if (share >= MAX_SHARE || this.isBulk(message.payload)) gathering = this.apartOf(sender);
    gathering.messages.push(message);
    gathering.pending.push(pending);
    if (gathering.messages.length < MAX_BATCH) return null;
    if (gathering === this.shared) this.shared = { messages: [], pending: [] };
    else this.apart.delete(sender);
    return gathering;
  }

  /** All that was gathered, in parts to be handed on one by one; a new turn begins. */
  takeAll(): Gathering[] {
    const all = [this.shared, ...this.apart.values()].filter(({ messages }) => messages.length > 0);
    this.shared = { messages: [], pending: [] };
    this.apart.clear();
    this.shares.clear();
    return all;
  }

  private apartOf(sender: string): Gathering {
    let gathering = this.apart.get(sender);
    if (!gathering) this.apart.set(sender, (gathering = { messages: [], pending: [] }));
    return gathering;
  }
}

/** True where somebody still waits who can wait for a later verdict. */
export function isWanted({ delivery }: Pending): boolean {
  return delivery.mayWait === true;
}

/** Leaves those in the batch that can wait for a later verdict, and tells the others now. */
export function keepWanted({ messages, pending }: Gathering, error: unknown): Gathering {
  const wanted = pending.map(isWanted);
  failAll(
    pending.filter((_, i) => !wanted[i]),
    error,
  );
  return { messages: messages.filter((_, i) => wanted[i]), pending: pending.filter((_, i) => wanted[i]) };
}

/** Tells all that their messages are not taken. */
export function failAll(pending: readonly Pending[], error: unknown): void {
  const cause = error instanceof Error ? error : new Error(String(error));
  for (const { delivery } of pending) delivery.fail(cause);
}
