import { Logger } from '@nestjs/common';
import { LimitedLog } from '../../common/limited-log.js';
import type { LinkCounters } from '../link.js';
import type { Trouble } from './trouble.js';

/** Counts what happens on the link, and says once what each connection suffers from and when all is well again. */
export class Journal {
  received = 0;
  acked = 0;
  failed = 0;
  staleAcks = 0;
  reconnects = 0;
  seats = 0;
  private readonly others: Record<string, number> = {};
  private readonly troubles = new Map<string, string>();
  private readonly logger = new Logger('MqttLink');
  private readonly limited = new LimitedLog(this.logger);
  private wasWell = false;

  constructor(
    private readonly broker: string,
    /** Called after each change of {@link troubled}, of a connection, or of what should be connected. */
    private readonly onChange: () => void,
  ) {}

  get counters(): LinkCounters {
    const { received, acked, failed, reconnects, seats } = this;
    return { received, acked, failed, stale_acks: this.staleAcks, reconnects, seats, ...this.others };
  }

  get troubled(): boolean {
    return this.troubles.size > 0;
  }

  count(name: string): void {
    this.others[name] = (this.others[name] ?? 0) + 1;
  }

  /** `name` is a fixed name such as `refused.topic`; `fields` must hold no secret. At most one line a second per name. */
  note(name: string, msg: string, fields: () => Readonly<Record<string, unknown>>): void {
    this.count(name);
    this.limited.warn(name, () => ({ msg, reason: name, ...fields() }));
  }

  warn(msg: string, fields: Readonly<Record<string, unknown>>): void {
    this.logger.warn({ msg, ...fields });
  }

  info(msg: string, fields: Readonly<Record<string, unknown>>): void {
    this.logger.log({ msg, ...fields });
  }

  /** A connection is not there. One line for a new reason, however many connections share it. */
  trouble(connection: string, { kind, msg, hint }: Trouble): void {
    const known = [...this.troubles.values()].includes(kind);
    this.troubles.set(connection, kind);
    if (!known) this.warn(msg, { reason: kind, hint, broker: this.broker, connection });
    this.onChange();
  }

  /** A connection is closed because it is not wanted any more. */
  unwanted(connection: string): void {
    this.troubles.delete(connection);
    this.onChange();
  }

  /** A connection is there. */
  well(connection: string): void {
    const ended = this.troubles.delete(connection) && this.troubles.size === 0;
    if (ended && this.wasWell) this.info('the broker is back', { broker: this.broker });
    this.onChange();
  }

  /** It is known by now what should be connected. */
  changed(): void {
    this.onChange();
  }

  /** The first time that everything is connected. */
  up(fields: Readonly<Record<string, unknown>>): void {
    if (this.wasWell) return;
    this.wasWell = true;
    this.info('connected to the broker', { broker: this.broker, ...fields });
  }
}
