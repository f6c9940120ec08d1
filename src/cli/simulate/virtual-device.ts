import { DeviceConnection } from './connection.js';
import type { Ending } from './connection.js';
import { drawProfile, valuesAt } from './curve.js';
import type { CurveProfile } from './curve.js';
import { DeviceRules } from './device-rules.js';
import type { Reaction } from './device-rules.js';
import type { DeviceTopics } from './device-topics.js';
import { drawFault, malformedPayload, wrongTimestamp } from './fault.js';
import { Outbox } from './outbox.js';
import { between, seededRandom } from './random.js';
import type { Random } from './random.js';
import type { Tally } from './tally.js';

/** Unacknowledged publishes of one device; the service holds more than 64 back. */
const WINDOW = 16;
/** Short enough that every device of a small fleet is back before a run that is being stopped gives up. */
const LONGEST_RETRY_MS = 3_000;
/** A device that slept longer than this does not make up for the measurements it missed. */
const MAX_LAG_MS = 1_000;

export interface DeviceSettings {
  readonly deviceId: string;
  /** Names this run in ids and in the presence. */
  readonly bootId: string;
  readonly url: string;
  readonly topics: DeviceTopics;
  readonly qos: 0 | 1 | 2;
  /** Measurements per second; 0 = none. */
  readonly rate: number;
  /** Probability of a fault per measurement. */
  readonly faultRate: number;
  readonly seed: number;
  /** Which device of the fleet this is, from 0. */
  readonly index: number;
  /** Most readings kept while they are not acknowledged. */
  readonly outboxLimit: number;
  /** The first pause before connecting again, in milliseconds; it doubles with each failure, up to 3 s. */
  readonly retryMs: number;
}

/** A device that measures, publishes until it is acknowledged, answers commands and connects again when it is cut off. */
export class VirtualDevice {
  private readonly outbox: Outbox;
  private readonly rules: DeviceRules;
  private readonly profile: CurveProfile;
  private readonly noise: Random;
  private readonly faults: Random;
  private readonly timers = new Set<NodeJS.Timeout>();
  private connection: DeviceConnection | null = null;
  private up = false;
  private measuring = false;
  private droppedOnPurpose = false;
  private stopped = false;
  private failures = 0;
  private count = 0;
  private nextMeasurement = 0;

  constructor(
    private readonly settings: DeviceSettings,
    private readonly tally: Tally,
    /** Told of every end of a connection that the device did not bring about itself. */
    private readonly onDown: (ending: Ending) => void,
  ) {
    const stream = (n: number) => seededRandom(settings.seed, settings.index * 4 + n);
    this.profile = drawProfile(stream(0));
    this.noise = stream(1);
    this.faults = stream(2);
    this.rules = new DeviceRules(stream(3));
    this.outbox = new Outbox(settings.outboxLimit, WINDOW);
  }

  /** True when everything is acknowledged and no command is being worked on. */
  get idle(): boolean {
    return this.outbox.size === 0 && this.rules.running === 0;
  }

  /** Readings that were measured but never handed to any connection. */
  get unsent(): number {
    return this.outbox.unsentReadings;
  }

  /** Connects and begins to measure. */
  start(): void {
    this.connect();
    if (this.settings.rate === 0) return;
    this.measuring = true;
    this.nextMeasurement = Date.now() + between(this.noise, 0, Math.min(1_000, 1_000 / this.settings.rate));
    this.measureOnTime();
  }

  /** Measures no more; what is not acknowledged is still sent, and commands are still answered. */
  stopMeasuring(): void {
    this.measuring = false;
  }

  /** Says goodbye and stops, within 2 s. Never rejects. */
  async close(): Promise<void> {
    this.halt();
    await this.connection?.close();
  }

  /** Stops at once, as if the power was cut. */
  abort(): void {
    this.halt();
    this.connection?.drop('stopped');
  }

  private halt(): void {
    this.stopped = true;
    this.measuring = false;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  private connect(): void {
    const { url, deviceId, topics, bootId } = this.settings;
    const status =
      topics.status === null
        ? null
        : {
            topic: topics.status,
            online: JSON.stringify({ online: true, session: bootId }),
            offline: JSON.stringify({ online: false, session: bootId }),
          };
    this.connection = new DeviceConnection(
      { url, deviceId, subscriptions: topics.subscriptions, status },
      {
        onUp: () => this.onUp(),
        onMessage: (topic, payload) => this.onMessage(topic, payload),
        onDown: (ending) => this.onConnectionDown(ending),
      },
    );
  }

  private onUp(): void {
    this.up = true;
    this.failures = 0;
    this.tally.online += 1;
    this.tally.connects += 1;
    this.send();
  }

  private onConnectionDown(ending: Ending): void {
    this.connection = null;
    if (this.up) {
      this.up = false;
      this.tally.online -= 1;
      if (!this.stopped) this.tally.connectionsLost += 1;
    }
    this.outbox.rewind();
    if (this.stopped) return;
    if (!this.droppedOnPurpose) this.onDown(ending);
    this.droppedOnPurpose = false;
    // Math.random, not the seeded source: a fleet that was cut off at once must not come back in step.
    const { retryMs } = this.settings;
    const pause = Math.min(Math.max(LONGEST_RETRY_MS, retryMs), retryMs * 2 ** this.failures);
    this.failures += 1;
    this.later(between(Math.random, 0.25, 1) * pause, () => this.connect());
  }

  private send(): void {
    while (this.up && this.connection?.open) {
      const entry = this.outbox.take();
      if (!entry) return;
      const reading = entry.kind === 'reading';
      if (reading && entry.sends === 1) this.tally.sent += 1;
      else if (reading) this.tally.resent += 1;
      const sentAt = performance.now();
      const connection = this.connection;
      connection.publish(entry.topic, entry.payload, entry.qos, (error) => {
        if (error) return connection.drop(error.message);
        if (!this.outbox.settle(entry)) return;
        if (reading && entry.qos > 0) this.tally.acknowledge(performance.now() - sentAt);
        this.send();
      });
    }
  }

  private measureOnTime(): void {
    const now = Date.now();
    if (now - this.nextMeasurement > MAX_LAG_MS) this.nextMeasurement = now;
    while (this.measuring && this.nextMeasurement <= now) {
      this.measure(now);
      this.nextMeasurement += (1_000 / this.settings.rate) * between(this.noise, 0.8, 1.2);
    }
    this.send();
    if (this.measuring) this.later(this.nextMeasurement - now, () => this.measureOnTime());
  }

  private measure(now: number): void {
    const values = valuesAt(this.profile, now, this.noise, this.rules.fan);
    const fault = drawFault(this.faults, this.settings.faultRate);
    if (fault) this.tally.faults[fault] += 1;
    if (fault === 'malformed') return this.put('fault', malformedPayload(this.faults, this.payloadOf(values, now)));
    if (fault === 'badTimestamp') return this.put('fault', this.payloadOf(values, wrongTimestamp(this.faults, now)));
    const payload = this.payloadOf(values, now);
    this.put('reading', payload);
    if (fault === 'duplicate') this.put('fault', payload);
    if (fault === 'disconnect' && this.connection) {
      this.droppedOnPurpose = true;
      this.connection.drop('dropped on purpose');
    }
  }

  /** Half of the native devices name their readings by `id`, half by `seq`, as devices in the field do. */
  private payloadOf(values: object, ts: number | string): string {
    if (!this.settings.topics.answer) return JSON.stringify({ ...values, ts });
    this.count += 1;
    const identity =
      this.settings.index % 2 === 0 ? { id: `${this.settings.bootId}-${this.count}` } : { seq: this.count };
    return JSON.stringify({ values, ts, ...identity });
  }

  private put(kind: 'reading' | 'fault', payload: string): void {
    const taken = this.outbox.add({ kind, topic: this.settings.topics.telemetry, payload, qos: this.settings.qos });
    if (!taken && kind === 'reading') this.tally.skipped += 1;
  }

  private onMessage(topic: string, payload: Buffer): void {
    const incoming = this.settings.topics.read(topic);
    if (!incoming) return;
    if (incoming.kind === 'error') return this.tally.serviceError(parseObject(payload)['code']);
    if (incoming.kind === 'control') return this.onControl(parseObject(payload));
    if (incoming.kind === 'cancel') return this.react(incoming.commandId, this.rules.cancel(incoming.commandId));
    const reaction = this.rules.receive(incoming.commandId, payload.toString(), performance.now());
    this.tally.commands[reaction.repeated ? 'repeated' : 'received'] += 1;
    this.react(incoming.commandId, reaction);
  }

  private onControl({ command, ...params }: Record<string, unknown>): void {
    this.tally.commands.received += 1;
    if (typeof command === 'string') this.rules.obey(command, params);
  }

  private react(commandId: string, { answer, next, repeated }: Reaction): void {
    const topic = this.settings.topics.answer?.(commandId);
    if (answer && topic !== undefined) {
      if (!repeated) this.tally.answer(answer.status);
      this.outbox.add({ kind: 'answer', topic, payload: JSON.stringify(answer), qos: 1 });
      this.send();
    }
    if (next?.step === 'begin') {
      this.later(next.afterMs, () => this.react(commandId, this.rules.begin(commandId, performance.now())));
    } else if (next) {
      this.later(next.afterMs, () => this.react(commandId, this.rules.proceed(commandId)));
    }
  }

  private later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) action();
    }, ms);
    this.timers.add(timer);
  }
}

function parseObject(payload: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
