import { Injectable, Logger } from '@nestjs/common';
import { LimitedLog } from '../common/limited-log.js';
import { TopicConfig } from '../config/topic.config.js';
import { MqttPublisher } from '../mqtt/publisher.js';
import type { ItemReject } from './parsed-telemetry.js';
import { Throttle } from './throttle.js';

/** What became of one message: numbers of readings, and the items that can never be stored. */
export interface MessageResult {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: readonly ItemReject[];
}

const ERROR_INTERVAL_MS = 1_000;
const MAX_DEVICES_PER_INTERVAL = 10_000;

/** Tells native devices what became of their messages, at QoS 0 and only after the commit. Never rejects: a failure is logged. */
@Injectable()
export class DeviceFeedback {
  private readonly log = new LimitedLog(new Logger(DeviceFeedback.name));
  private readonly errors = new Throttle(ERROR_INTERVAL_MS, MAX_DEVICES_PER_INTERVAL);

  constructor(
    private readonly publisher: MqttPublisher,
    private readonly topics: TopicConfig,
  ) {}

  /** Answers a message that asked, on `down/acks`; `id` is the one that it carried. */
  acknowledge(deviceId: string, id: string | null, { stored, duplicates, rejected }: MessageResult): void {
    const items = rejected.map(({ index, code, detail }) => ({ index, code, detail }));
    this.send(deviceId, 'acks', { id, stored, duplicates, rejected: items });
  }

  /** Tells of a reject on `down/errors`, at most once a second per device. */
  complain(deviceId: string, { code, detail, ref }: ItemReject): void {
    if (this.errors.admit(deviceId, performance.now())) this.send(deviceId, 'errors', { code, detail, ref });
  }

  private send(deviceId: string, kind: 'acks' | 'errors', content: object): void {
    const topic = `${this.topics.prefix}/${deviceId}/down/${kind}`;
    this.publisher.publish({ topic, payload: JSON.stringify(content), qos: 0 }).catch((error: unknown) => {
      this.log.warn(kind, () => ({ msg: 'a device could not be told', topic, error: String(error) }));
    });
  }
}
