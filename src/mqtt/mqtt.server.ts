import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { BaseRpcContext, type MessageHandler, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { isPassing } from '../common/errors.js';
import { isDeviceId } from '../common/ids.js';
import { matchesFilter } from '../common/topic.js';
import { BrokerConfig } from '../config/broker.config.js';
import { TopicConfig } from '../config/topic.config.js';
import { BatchRoute, failAll, type Gathering, isWanted, keepWanted, Pending } from './batch-route.js';
import type { DecodeRequest } from './envelope.js';
import { type Match, matchRoutes } from './handler-route.js';
import { LastHeard } from './last-heard.js';
import { type Delivery, MqttLink } from './link.js';
import type { TopicMessage } from './message.js';
import { MQTT_TRANSPORT } from './mqtt-transport.js';
import type { HandlerRole, IsBulk } from './on-topic.decorator.js';
import { type RequestCounts, RequestDesk, RequestRoute } from './request.desk.js';
import { TopicCache } from './topic-cache.js';

/** How long after its begin a stop still waits for handlers, and how long at least, so that what follows has its part of the 10 s. */
const DRAIN_MS = 6_000;
const LEAST_DRAIN_MS = 1_000;

/** What is known of a topic. `speaker`: the device whose sign of life a message there is. */
interface Place {
  readonly matches: readonly Match<BatchRoute | RequestRoute>[];
  readonly speaker: string | null;
}

/**
 * The MQTT transport of Nest: gives the handlers of `@OnTopic` all messages of one turn of the event loop at once, and
 * acknowledges a message when every handler that got it has resolved. One that rejects drops the sender's connection, unless
 * it says "not now" and the link can hold the message: then it gets the same batch again, until it takes it.
 * Requests of other services (`@OnRequest`) are handled and acknowledged one by one.
 */
@Injectable()
export class MqttServer extends Server implements OnModuleDestroy {
  override readonly transportId = MQTT_TRANSPORT;
  // Our own filter and the link deal with errors; Nest need not log them a second time.
  override readonly propagatesEventHandlerErrors = true;
  private readonly routes: BatchRoute[] = [];
  private readonly requestRoutes: RequestRoute[] = [];
  private readonly placeOf = new TopicCache<Place>((topic) => this.find(topic));
  private readonly desk = new RequestDesk((message) => this.link.publish(message));
  private readonly gathered = new Set<BatchRoute>();
  private running = 0;
  private arrivals = 0;
  private readonly statusFilter: string;
  private onIdle: (() => void) | null = null;
  private stopBegan: number | null = null;

  constructor(
    private readonly link: MqttLink,
    private readonly topics: TopicConfig,
    private readonly broker: BrokerConfig,
    private readonly lastHeard: LastHeard,
  ) {
    super();
    this.statusFilter = `${topics.prefix}/+/up/status`;
  }

  /** Requests of other services since the start. */
  get requests(): RequestCounts {
    return this.desk.counts;
  }

  /** Called by Nest for each handler. Handlers of one template are kept apart, because each has its own role and verdict. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const { decode } = extras;
    if (typeof pattern !== 'string' || (isEventHandler ? typeof extras['role'] !== 'string' : !decode)) {
      throw new Error(`the MQTT transport takes handlers of @OnTopic and @OnRequest, not ${JSON.stringify(pattern)}`);
    }
    if (!isEventHandler) {
      if (!this.broker.answersServices) return;
      this.requestRoutes.push(new RequestRoute(pattern, decode as DecodeRequest, this.topics, callback));
      super.addHandler(pattern, callback, isEventHandler, extras);
      return;
    }
    this.routes.push(
      new BatchRoute(pattern, extras['role'] as HandlerRole, extras['isBulk'] as IsBulk, this.topics, callback),
    );
    super.addHandler(`${pattern} ${this.routes.length}`, callback, isEventHandler, extras);
  }

  /** Opens the link and calls back; with a StartupError where it cannot be opened. */
  override listen(callback: (error?: unknown) => void): void {
    const filters = new Set([...this.routes, ...this.requestRoutes].flatMap((route) => route.filters));
    this.link.start([...filters], (delivery) => this.deliver(delivery)).then(() => callback(), callback);
  }

  /** The first that is called at a stop, long before {@link close}. */
  onModuleDestroy(): void {
    this.stopBegan = performance.now();
  }

  /** Takes nothing more in, waits for the handlers that run until 6 s after the begin of the stop, lets their acknowledgements out, closes the link. */
  override async close(): Promise<void> {
    const stopped = this.link.stopIntake();
    for (const route of [...this.routes, ...this.requestRoutes]) route.holding.stop();
    // Beside each other, because a link may wait for acknowledgements before it leaves its broker.
    await Promise.all([stopped, this.idle()]);
    await this.link.close();
  }

  override on(): never {
    throw new Error('the MQTT transport has no events');
  }

  // oxlint-disable-next-line no-unnecessary-type-parameters -- Nest declares it so
  override unwrap<T>(): T {
    return this.link as T;
  }

  private find(topic: string): Place {
    const matches = matchRoutes([...this.routes, ...this.requestRoutes], topic);
    const named = matches.find(({ params }) => params['deviceId'] !== undefined)?.params['deviceId'] ?? null;
    const tells = named !== null && isDeviceId(named) && !matchesFilter(this.statusFilter, topic);
    return { matches, speaker: tells ? named : null };
  }

  private deliver(delivery: Delivery): void {
    const { message } = delivery;
    if (message.replayed && !matchesFilter(this.statusFilter, message.topic)) {
      delivery.ack();
      return;
    }
    const { matches, speaker } = this.placeOf.get(message.topic);
    if (speaker !== null) this.lastHeard.note(speaker, message.receivedAt);
    if (matches.length === 0) {
      delivery.ack();
      return;
    }
    // Immediates run after all sockets of this turn were read, so that their messages share the batch.
    if (this.gathered.size === 0) setImmediate(this.flush);
    const pending = new Pending(delivery, matches.length);
    this.arrivals++;
    for (const { route, params } of matches) {
      if (route instanceof RequestRoute) {
        void this.answer(route, pending, this.arrivals);
        continue;
      }
      const copy: TopicMessage = {
        topic: message.topic,
        payload: message.payload,
        qos: message.qos,
        retain: message.retain,
        replayed: message.replayed,
        clientId: message.clientId,
        sender: message.sender,
        receivedAt: message.receivedAt,
        params,
        arrival: this.arrivals,
      };
      const full = route.add(copy, pending);
      this.gathered.add(route);
      if (full) void this.run(route, full);
    }
  }

  private readonly flush = (): void => {
    const routes = [...this.gathered];
    this.gathered.clear();
    for (const route of routes) for (const gathering of route.takeAll()) void this.run(route, gathering);
  };

  private async run(route: BatchRoute, gathering: Gathering): Promise<void> {
    let left = gathering;
    this.running++;
    const attempt = async (): Promise<void> => {
      try {
        await this.hand(route, left.messages);
      } catch (error) {
        // Nobody else shall wait for those that cannot.
        if (isPassing(error)) left = keepWanted(left, error);
        throw error;
      }
    };
    try {
      await route.holding.through(attempt, () => left.pending.some(isWanted));
      for (const one of left.pending) if (--one.left === 0) one.delivery.ack();
    } catch (error) {
      failAll(left.pending, error);
    } finally {
      this.running--;
      if (this.isIdle()) this.onIdle?.();
    }
  }

  private async hand({ handler, pattern }: BatchRoute, messages: readonly TopicMessage[]): Promise<void> {
    const result = await handler(messages, new BaseRpcContext([pattern]));
    // What a handler or a filter returns does nothing until it is subscribed to.
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }

  private async answer(route: RequestRoute, pending: Pending, arrival: number): Promise<void> {
    const { delivery } = pending;
    this.running++;
    try {
      const attempt = (): Promise<void> => this.desk.take(route, delivery.message, arrival);
      await route.holding.through(attempt, () => isWanted(pending));
      if (--pending.left === 0) delivery.ack();
    } catch (error) {
      delivery.fail(error as Error);
    } finally {
      this.running--;
      if (this.isIdle()) this.onIdle?.();
    }
  }

  private isIdle(): boolean {
    return this.running === 0 && this.gathered.size === 0;
  }

  private async idle(): Promise<void> {
    if (this.isIdle()) return;
    const now = performance.now();
    const left = Math.max(LEAST_DRAIN_MS, (this.stopBegan ?? now) + DRAIN_MS - now);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.logger.warn({ msg: 'stopped without waiting longer for message handlers', running: this.running });
        resolve();
      }, left);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
