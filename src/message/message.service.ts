import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { holds, type Principal } from '../common/access.js';
import { formatTime } from '../common/clock.js';
import { HttpErrors } from '../common/http.errors.js';
import type { Json } from '../common/json.js';
import { filterProblem, topicProblem } from '../common/topic.js';
import { TopicConfig } from '../config/topic.config.js';
import { MqttPublisher } from '../mqtt/publisher.js';
import { MessageErrors } from './message.errors.js';
import { type LoggedMessage, MessageRepository } from './message.repository.js';

/** What is to be published; a missing topic means PUBLISH_TOPIC. */
export interface PublishRequest {
  readonly topic?: string | undefined;
  readonly message: Json;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** A logged message as it is shown: text, or base64 where the payload is not UTF-8. */
export interface ShownMessage {
  readonly topic: string;
  readonly message: string;
  readonly timestamp: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly encoding?: 'base64';
}

/** Raw publishing, and the log of what went over MESSAGE_TOPICS. */
@Injectable()
export class MessageService {
  constructor(
    private readonly messages: MessageRepository,
    private readonly publisher: MqttPublisher,
    private readonly topics: TopicConfig,
  ) {}

  /**
   * Publishes a string as it is, anything else as JSON; resolves with the topic once the broker accepted it. Throws BAD_TOPIC,
   * FORBIDDEN (below the native prefix and `services/` for all but `admin`), and STORAGE_UNAVAILABLE while the database is away.
   */
  async publish(request: PublishRequest, caller: Principal): Promise<string> {
    refuseLimited(caller);
    const { topic = this.topics.publishTopic, message, qos, retain } = request;
    const problem = topicProblem(topic);
    if (problem) {
      throw MessageErrors.BAD_TOPIC(`Nothing can be published to this topic: ${problem}.`, {
        errors: [{ pointer: '/topic', detail: problem, code: 'BAD_TOPIC' }],
      });
    }
    if (this.isReserved(topic) && !holds(caller, 'admin')) {
      const detail = `This needs the scope admin: what is below ${this.topics.prefix}/ and services/ is as a device or a service says it.`;
      throw HttpErrors.FORBIDDEN(detail);
    }
    // At once, while a device's message would wait.
    this.messages.refuseWhileDown();
    const payload = typeof message === 'string' ? message : JSON.stringify(message);
    await this.publisher.publish({ topic, payload, qos, retain });
    return topic;
  }

  /** Keeps messages in the log; resolves after the commit. */
  async log(messages: readonly LoggedMessage[]): Promise<void> {
    await this.messages.add(messages);
  }

  /**
   * The newest messages whose topic matches `filter`, oldest of them first, in pages that are read as they are asked for. Throws
   * BAD_FILTER, and FORBIDDEN for a caller with limits.
   */
  async list(caller: Principal, limit: number, filter: string | null): Promise<AsyncIterable<readonly ShownMessage[]>> {
    refuseLimited(caller);
    const problem = filter === null ? null : filterProblem(filter);
    if (problem) {
      throw MessageErrors.BAD_FILTER(`This is not a topic filter: ${problem}.`, {
        errors: [{ parameter: 'topic', detail: problem, code: 'BAD_FILTER' }],
      });
    }
    return shown(this.messages.read(await this.messages.newest(limit, filter)));
  }

  /** True where devices and services speak, and Signalbox speaks to them. */
  private isReserved(topic: string): boolean {
    return topic.startsWith(`${this.topics.prefix}/`) || topic.startsWith('services/');
  }
}

/** Raw messages belong to no device, so that nobody can say which of them a caller with limits may see. */
function refuseLimited({ tags }: Principal): void {
  if (tags !== null) throw HttpErrors.FORBIDDEN('A key that is limited to some devices has no access to raw messages.');
}

async function* shown(pages: AsyncIterable<readonly LoggedMessage[]>): AsyncGenerator<readonly ShownMessage[]> {
  for await (const page of pages) yield page.map(show);
}

function show({ topic, payload, qos, retain, receivedAt }: LoggedMessage): ShownMessage {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = isUtf8(bytes);
  return {
    topic,
    message: bytes.toString(text ? 'utf8' : 'base64'),
    timestamp: formatTime(receivedAt),
    qos,
    retain,
    ...(text ? {} : { encoding: 'base64' }),
  };
}
