import type { OutboundMessage } from '../message.js';

type Receipt = NonNullable<OutboundMessage['receipt']>;

/** A message as the broker numbers it. */
interface Numbered {
  readonly topic: string;
  readonly brokerCounter: number;
}

/** Messages of one connection that may wait for their PUBACK; the oldest is given up for one more. */
const MAX_AWAITED = 1_000;

interface Wanted extends Numbered {
  readonly receipt: Receipt;
  /** Where it went to, and as which packet; null until then. */
  sent: { readonly client: object; readonly id: number } | null;
}

/**
 * The publishes whose PUBACK somebody wants to hear of: one per topic, from the publish until the acknowledgement, the end of
 * the connection that it went to, or the moment that nobody was there to get it. Clients are only compared.
 */
export class Receipts {
  private readonly wanted = new Map<string, Wanted>();
  private readonly awaited = new Map<object, Map<number, Wanted>>();

  /** How many are wanted at present. */
  get size(): number {
    return this.wanted.size;
  }

  /** To be called before the message goes out. Replaces what an earlier message to this topic wanted. */
  want({ topic, brokerCounter }: Numbered, receipt: Receipt): void {
    this.forget(this.wanted.get(topic));
    this.wanted.set(topic, { topic, brokerCounter, receipt, sent: null });
  }

  /** True where the PUBACK of this message matters, if `clientId` is who gets it. */
  isWanted(message: Numbered, clientId: string): boolean {
    const wanted = this.find(message);
    return wanted !== undefined && wanted.sent === null && wanted.receipt.clientId === clientId;
  }

  /** The message, which must be wanted, goes out to `client` as packet `id`. */
  sent(message: Numbered, client: object, id: number): void {
    const wanted = this.find(message);
    if (!wanted) return;
    const awaited = this.awaited.get(client) ?? new Map<number, Wanted>();
    this.awaited.set(client, awaited.set(id, wanted));
    wanted.sent = { client, id };
    if (awaited.size > MAX_AWAITED) this.forget(awaited.values().next().value);
  }

  /** The publish is over: what has not gone out by now will not go out on a connection of today. */
  settled(message: Numbered): void {
    const wanted = this.find(message);
    if (wanted?.sent === null) this.forget(wanted);
  }

  /** True while a PUBACK with `id` from `client` means one of these messages. */
  isAwaited(client: object, id: number): boolean {
    return this.awaited.get(client)?.has(id) === true;
  }

  /** PUBACK came from `client`. */
  acknowledged(client: object, id: number): void {
    const wanted = this.awaited.get(client)?.get(id);
    if (!wanted) return;
    this.forget(wanted);
    wanted.receipt.onAcknowledged();
  }

  /** The connection has ended. */
  gone(client: object): void {
    for (const wanted of this.awaited.get(client)?.values() ?? []) this.forget(wanted);
  }

  private find({ topic, brokerCounter }: Numbered): Wanted | undefined {
    const wanted = this.wanted.get(topic);
    return wanted?.brokerCounter === brokerCounter ? wanted : undefined;
  }

  private forget(wanted: Wanted | undefined): void {
    if (!wanted) return;
    this.wanted.delete(wanted.topic);
    if (!wanted.sent) return;
    const { client, id } = wanted.sent;
    const awaited = this.awaited.get(client);
    awaited?.delete(id);
    if (awaited?.size === 0) this.awaited.delete(client);
  }
}
