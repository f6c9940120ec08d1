import { BROKER } from '../../common/access.js';
import type { IPublishPacket, MqttClient } from 'mqtt';
import type { Delivery } from '../link.js';
import type { InboundMessage } from '../message.js';
import type { Journal } from './journal.js';
import type { ReadingBudget } from './reading-budget.js';

/** Unacknowledged messages of one connection, above which it is not read; the same is told to a broker as Receive Maximum. */
export const MAX_IN_FLIGHT = 1_000;

/** Given to mqtt.js in place of success: it then writes no PUBACK of its own, and takes the next packet. */
const NOT_BY_MQTTJS = new Error('acknowledged later');

/** What is to be done with a message. */
export type Verdict = 'deliver' | 'acknowledge' | 'stop';

export interface IntakeParts {
  readonly client: MqttClient;
  readonly journal: Journal;
  readonly budget: ReadingBudget;
  /** `stop`: this connection has no right to messages any more. */
  readonly judge: (topic: string) => Verdict;
  /** The broker passes RETAIN on as the publisher set it (MQTT 5, Retain As Published), and never replays. */
  readonly retainAsPublished: boolean;
  readonly deliver: (delivery: Delivery) => void;
  readonly onFailed: (error: Error) => void;
  readonly onStop: () => void;
}

/**
 * What comes in over one network connection. Handlers may end in any order, PUBACKs leave in the order of arrival
 * [MQTT-4.6.0-2], and only on the connection that their messages came from: once that is gone, a late one is dropped,
 * because on the next connection its packet id may be another message.
 */
export class Intake {
  private readonly waiting: Held[] = [];
  private head = 0;
  /** Messages in hand that get no PUBACK, so that none has to wait for them: a slow request of QoS 0 must not hold up readings. */
  private apart = 0;
  private acknowledged: number[] = [];
  private held: (() => void) | null = null;
  private halfOpen: Held | null = null;
  private pings: NodeJS.Timeout | undefined;
  private open = true;
  private draining = false;
  private onEmpty: (() => void) | null = null;

  constructor(private readonly parts: IntakeParts) {}

  /** Takes one message from mqtt.js; `done` lets it take the next packet, so holding it stops the reading. */
  readonly take = (packet: IPublishPacket, done: (error?: Error) => void): void => {
    if (!this.open || this.draining) return;
    const verdict = this.parts.judge(packet.topic);
    if (verdict === 'stop') return this.parts.onStop();
    const { journal, budget } = this.parts;
    const payload = packet.payload as Buffer;
    // PUBREC has left already. A broker sends no QoS 2 where QoS 1 was granted [MQTT-3.8.4-8], except from an older session.
    const isQos2 = packet.qos === 2;
    const goOn = isQos2 ? () => done() : () => done(NOT_BY_MQTTJS);
    const message = new Held(this, packet, payload, packet.retain && !this.parts.retainAsPublished, isQos2);
    journal.received++;
    budget.take(payload.length);
    if (message.messageId === 0) this.apart++;
    else this.waiting.push(message);
    if (verdict === 'deliver') this.parts.deliver(message);
    else message.ack();
    if (isQos2) this.halfOpen = message;
    if (this.mayRead()) goOn();
    else this.hold(goOn);
  };

  /** Nothing is read at the moment. */
  get isHeld(): boolean {
    return this.held !== null;
  }

  /** Nothing more is read. Resolves when all that was read is acknowledged, or the connection is gone. */
  async drain(): Promise<void> {
    this.draining = true;
    this.hold(() => {});
    if (this.inFlight > 0 && this.open) await new Promise<void>((resolve) => (this.onEmpty = resolve));
    this.writeAcks();
  }

  /** The connection is gone: what is still being handled is not acknowledged any more. */
  end(): void {
    if (!this.open) return;
    this.open = false;
    this.acknowledged = [];
    this.stopPings();
    for (const message of this.waiting.splice(0).slice(this.head)) if (message.settled) this.giveBack(message);
    this.head = 0;
    this.onEmpty?.();
  }

  settled(message: Held): void {
    if (!this.open) {
      if (message.messageId !== 0) this.parts.journal.staleAcks++;
      return this.giveBack(message);
    }
    if (message.messageId === 0) this.letGo(message);
    else if (this.waiting[this.head] === message) this.advance();
    if (this.inFlight === 0) this.onEmpty?.();
    if (this.held) this.goOn();
  }

  failed(message: Held, error: Error): void {
    this.parts.journal.failed++;
    // The others are given back with the connection.
    if (!this.open || message.messageId === 0) this.giveBack(message);
    if (this.open) this.parts.onFailed(error);
  }

  private get inFlight(): number {
    return this.waiting.length - this.head + this.apart;
  }

  private advance(): void {
    for (;;) {
      const message = this.waiting[this.head];
      if (!message?.settled) break;
      this.head++;
      this.parts.journal.acked++;
      this.giveBack(message);
      this.acknowledge(message.messageId);
    }
    if (this.head === this.waiting.length || this.head >= MAX_IN_FLIGHT) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
  }

  private letGo(message: Held): void {
    this.apart--;
    this.parts.journal.acked++;
    this.giveBack(message);
  }

  /** Those of one turn leave in one write. */
  private acknowledge(messageId: number): void {
    if (this.acknowledged.length === 0) queueMicrotask(() => this.writeAcks());
    this.acknowledged.push(messageId);
  }

  private writeAcks(): void {
    const ids = this.acknowledged;
    if (ids.length === 0) return;
    this.acknowledged = [];
    // PUBACK without a reason code means success in MQTT 5 too (3.4.2.1).
    const bytes = Buffer.allocUnsafe(ids.length * 4);
    for (const [i, id] of ids.entries()) bytes.writeUInt32BE(0x40_02_00_00 + id, i * 4);
    this.parts.client.stream.write(bytes);
  }

  private giveBack(message: Held): void {
    this.parts.budget.giveBack(message.message.payload.length);
  }

  private mayRead(): boolean {
    if (this.inFlight >= MAX_IN_FLIGHT || this.halfOpen?.settled === false) return false;
    if (!this.parts.budget.full) return true;
    this.parts.budget.wait(this.goOn);
    return false;
  }

  private hold(goOn: () => void): void {
    this.held = goOn;
    if (this.pings) return;
    // mqtt.js does not see the answers to its pings while nothing is read, and would give the connection up.
    const { client } = this.parts;
    const keepOpen = (): void => {
      client.sendPing();
      client.reschedulePing(true);
    };
    this.pings = setInterval(keepOpen, client.keepalive * 500).unref();
  }

  private readonly goOn = (): void => {
    const { held } = this;
    if (!held || !this.open || this.draining || !this.mayRead()) return;
    this.held = null;
    this.halfOpen = null;
    this.stopPings();
    held();
  };

  private stopPings(): void {
    clearInterval(this.pings);
    this.pings = undefined;
  }
}

/** One message that waits for its verdict. */
class Held implements Delivery {
  readonly message: InboundMessage;
  /** 0 where nothing is to be written for it. */
  readonly messageId: number;
  settled = false;

  constructor(
    private readonly intake: Intake,
    { topic, qos, retain, messageId = 0 }: IPublishPacket,
    payload: Buffer,
    replayed: boolean,
    isQos2: boolean,
  ) {
    this.messageId = isQos2 ? 0 : messageId;
    this.message = {
      topic,
      payload,
      qos,
      retain: retain && !replayed,
      replayed,
      clientId: null,
      sender: BROKER,
      receivedAt: Date.now(),
    };
  }

  ack(): void {
    if (this.settled) return;
    this.settled = true;
    this.intake.settled(this);
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.settled = true;
    this.intake.failed(this, error);
  }
}
