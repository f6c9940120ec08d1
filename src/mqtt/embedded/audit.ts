import { Logger } from '@nestjs/common';
import { LimitedLog } from '../../common/limited-log.js';

/** Counts what happens on the embedded broker, and logs what it refuses: at most one line a second per reason. */
export class Audit {
  received = 0;
  acked = 0;
  failed = 0;
  private readonly others: Record<string, number> = {};
  private readonly log = new LimitedLog(new Logger('MqttBroker'));

  get counters(): Readonly<Record<string, number>> {
    return { received: this.received, acked: this.acked, failed: this.failed, ...this.others };
  }

  count(name: string): void {
    this.others[name] = (this.others[name] ?? 0) + 1;
  }

  /** `name` is a fixed name such as `refused.topic`; `fields` must hold no secret. */
  note(name: string, msg: string, fields: () => Readonly<Record<string, unknown>>): void {
    this.count(name);
    this.log.warn(name, () => ({ msg, reason: name, ...fields() }));
  }
}
