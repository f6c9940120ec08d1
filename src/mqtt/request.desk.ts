import { Logger } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { hasEnded } from '../common/access.js';
import type { DomainError, ErrorDetail } from '../common/errors.js';
import type { Json } from '../common/json.js';
import { LimitedLog } from '../common/limited-log.js';
import { type Problem, problemOf, toDomainError } from '../common/problem.js';
import type { TopicConfig } from '../config/topic.config.js';
import { BadEnvelope, type DecodeRequest, MAX_REQUEST_BYTES, openEnvelope } from './envelope.js';
import { HandlerRoute } from './handler-route.js';
import { Holding } from './holding.js';
import type { InboundMessage, OutboundMessage } from './message.js';
import { MqttErrors } from './mqtt.errors.js';
import type { ServiceRequest } from './on-request.decorator.js';
import { RequestQueue } from './request-queue.js';

/** Requests of other services since the start, by what became of them. */
export interface RequestCounts {
  /** One that is worked on again counts again. */
  readonly received: number;
  /** The work was done. */
  readonly done: number;
  /** The work was refused for a reason that stays, such as a value that is not valid. */
  readonly refused: number;
  /** It was no request. */
  readonly malformed: number;
  /** The work could not be done at the time. */
  readonly failed: number;
  /** Turned away because too many were waiting; only those of QoS 0. */
  readonly shed: number;
}

type Outcome = Exclude<keyof RequestCounts, 'received'>;

/** A handler of `@OnRequest`, with the requests that wait for it. */
export class RequestRoute extends HandlerRoute {
  readonly queue = new RequestQueue();
  readonly holding = new Holding();

  constructor(
    readonly topic: string,
    readonly decode: DecodeRequest,
    topics: TopicConfig,
    private readonly handler: MessageHandler<Json | undefined, ServiceRequest, unknown>,
  ) {
    super(topic, 'handle', topics);
  }

  async handle(data: Json | undefined, request: ServiceRequest): Promise<unknown> {
    const result = await this.handler(data, request);
    return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
  }
}

/** Takes requests of other services in, has them worked on, and answers them as Nest's stock server does. */
export class RequestDesk {
  private readonly logger = new Logger('Requests');
  private readonly log = new LimitedLog(this.logger);
  private readonly tally = { received: 0, done: 0, refused: 0, malformed: 0, failed: 0, shed: 0 };

  constructor(private readonly publish: (message: OutboundMessage) => Promise<void>) {}

  get counts(): RequestCounts {
    return { ...this.tally };
  }

  /**
   * Resolves when the request may be acknowledged: its work is committed, or can never be done, and the broker has the answer.
   * Rejects where it should be sent again, or taken again: `arrival` is the same then. QoS 1 and 2 wait as long as it takes,
   * within the bounds of the link for what is not acknowledged; QoS 0 has none at an external broker and is turned away where
   * too many wait.
   */
  async take(route: RequestRoute, message: InboundMessage, arrival: number): Promise<void> {
    this.tally.received++;
    if (message.qos === 0 && route.queue.isFull) return this.shed(route, message);
    await new Promise<void>((resolve, reject) => {
      const client = message.clientId ?? '';
      route.queue.add(client, message.payload.length, () => this.serve(route, message, arrival).then(resolve, reject));
    });
  }

  private async serve(route: RequestRoute, message: InboundMessage, arrival: number): Promise<void> {
    const { topic, payload, receivedAt, qos, sender: caller } = message;
    // It waited while its sender lost the right to ask; nobody is there to be told.
    if (hasEnded(caller)) return void this.tally.refused++;
    const envelope = openEnvelope(payload, topic, route.decode);
    if (envelope instanceof BadEnvelope) {
      return this.refuse(message, envelope.id, envelope.error, 'malformed');
    }
    const { id, data } = envelope;
    let reply: string | null;
    try {
      const response = await route.handle(data, {
        caller,
        topic,
        id,
        mayRepeat: qos > 0,
        payload,
        receivedAt,
        arrival,
      });
      reply = id === null ? null : bounded(JSON.stringify({ id, response, isDisposed: true }));
    } catch (cause) {
      const error = toDomainError(cause);
      return this.refuse(message, id, error, error.spec.status >= 500 ? 'failed' : 'refused');
    }
    this.tally.done++;
    if (reply !== null) await this.reply(message, reply);
  }

  private async shed(route: RequestRoute, message: InboundMessage): Promise<void> {
    const error = MqttErrors.TOO_MANY_REQUESTS('Too many requests are waiting; try again soon.', { retryAfter: 1 });
    const { id } = openEnvelope(message.payload, message.topic, route.decode);
    await this.refuse(message, id, error, 'shed');
  }

  /** Whoever waits is told, whatever it is; else a failure that can pass is left unacknowledged, where that brings it back. */
  private async refuse(message: InboundMessage, id: string | null, error: DomainError, outcome: Outcome) {
    this.tally[outcome]++;
    this.note(message, id, error);
    if (id !== null)
      await this.reply(message, JSON.stringify({ id, err: problem(error, message.topic, id), isDisposed: true }));
    else if (outcome === 'failed' && message.qos > 0) throw error;
  }

  /** Rejects where it is worth while to have the request sent again. */
  private async reply({ topic, qos, clientId }: InboundMessage, payload: string): Promise<void> {
    try {
      const to = clientId === null ? {} : { to: clientId };
      await this.publish({ topic: `${topic}/reply`, payload, qos: 1, ...to });
    } catch (cause) {
      const error = toDomainError(cause);
      this.log.warn(`reply ${error.code}`, () => ({
        msg: 'the answer to a request could not be published',
        code: error.code,
        detail: error.message.slice(0, 300),
        topic,
      }));
      if (qos > 0 && error.spec.status >= 500) throw error;
    }
  }

  private note({ topic, clientId }: InboundMessage, id: string | null, error: DomainError): void {
    const { code, message } = error;
    if (error.spec.status === 500) {
      const { cause } = error.options;
      const stack = cause instanceof Error ? cause.stack : JSON.stringify(cause);
      this.logger.error({ msg: 'request failed', requestId: id, topic, error: stack });
    }
    this.log.warn(code, () => ({
      msg: 'request of a service refused',
      code,
      detail: message.slice(0, 300),
      topic,
      requestId: id,
      client: clientId,
    }));
  }
}

function bounded(reply: string): string {
  if (Buffer.byteLength(reply) <= MAX_REQUEST_BYTES) return reply;
  throw MqttErrors.PAYLOAD_TOO_LARGE(
    `The answer would have more than ${MAX_REQUEST_BYTES} bytes. Ask for less at a time.`,
  );
}

/** Requests have no query and no headers: all that is wrong in them is at a place in their data. */
function problem(error: DomainError, topic: string, id: string): Problem {
  const document = problemOf(error, topic, id);
  const { retryAfter } = error.options;
  return {
    ...document,
    ...(document.errors ? { errors: document.errors.map(inData) } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}

function inData({ parameter, ...detail }: ErrorDetail): ErrorDetail {
  return parameter === undefined ? detail : { pointer: `/${parameter}`, ...detail };
}
