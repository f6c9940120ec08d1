import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { formatTime } from '../common/clock.js';
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

  /** Publishes a string as it is, anything else as JSON; resolves with the topic once the broker accepted it. Throws BAD_TOPIC, and STORAGE_UNAVAILABLE while the database is away. */
  async publish({ topic = this.topics.publishTopic, message, qos, retain }: PublishRequest): Promise<string> {
    const problem = topicProblem(topic);
    if (problem) {
      throw MessageErrors.BAD_TOPIC(`Nothing can be published to this topic: ${problem}.`, {
        errors: [{ pointer: '/topic', detail: problem, code: 'BAD_TOPIC' }],
      });
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

  /** The newest messages whose topic matches `filter`, oldest of them first, in pages that are read as they are asked for. Throws BAD_FILTER. */
  async list(limit: number, filter: string | null): Promise<AsyncIterable<readonly ShownMessage[]>> {
    const problem = filter === null ? null : filterProblem(filter);
    if (problem) {
      throw MessageErrors.BAD_FILTER(`This is not a topic filter: ${problem}.`, {
        errors: [{ parameter: 'topic', detail: problem, code: 'BAD_FILTER' }],
      });
    }
    return shown(this.messages.read(await this.messages.newest(limit, filter)));
  }
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
