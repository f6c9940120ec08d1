import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../../common/ids.js';
import type { Ending } from './connection.js';
import { foreignTopics, nativeTopics } from './device-topics.js';
import type { SimulateOptions } from './options.js';
import { Tally } from './tally.js';
import { VirtualDevice } from './virtual-device.js';

/** Milliseconds between two devices' first connects, and what each device adds to the spread of a reconnect. */
const STAGGER_MS = 4;
const SHORTEST_RETRY_MS = 500;
/** Unacknowledged readings kept over all devices, and at least per device. */
const OUTBOX_TOTAL = 100_000;
const OUTBOX_LEAST = 100;
const IDLE_CHECK_MS = 20;

/** The virtual devices of one run. */
export class Fleet {
  readonly tally = new Tally();
  private readonly devices: readonly VirtualDevice[];
  private stopping = false;

  constructor(options: SimulateOptions, onDown: (ending: Ending) => void) {
    const { devices, url, prefix, foreign, qos, rate, faultRate, seed } = options;
    const bootId = newId();
    this.devices = Array.from({ length: devices }, (_, index) => {
      const deviceId = `sim-${String(index + 1).padStart(4, '0')}`;
      const topics = foreign ? foreignTopics(deviceId) : nativeTopics(prefix, deviceId);
      const outboxLimit = Math.max(OUTBOX_LEAST, Math.floor(OUTBOX_TOTAL / devices));
      const retryMs = Math.max(SHORTEST_RETRY_MS, devices * STAGGER_MS);
      const settings = { deviceId, bootId, url, topics, qos, rate, faultRate, seed, index, outboxLimit, retryMs };
      return new VirtualDevice(settings, this.tally, onDown);
    });
  }

  get size(): number {
    return this.devices.length;
  }

  /** Readings measured but never handed to any connection. */
  get unsent(): number {
    return this.devices.reduce((sum, device) => sum + device.unsent, 0);
  }

  /** Starts the devices one after another. Resolves when the last one is started or the fleet stops. */
  async start(): Promise<void> {
    for (const device of this.devices) {
      if (this.stopping) return;
      device.start();
      await delay(STAGGER_MS);
    }
  }

  /** Measures no more. Resolves when everything is acknowledged and answered, after `deadlineMs`, or when `signal` aborts. */
  async drain(deadlineMs: number, signal: AbortSignal): Promise<void> {
    this.stopping = true;
    for (const device of this.devices) device.stopMeasuring();
    const end = Date.now() + deadlineMs;
    while (Date.now() < end && !signal.aborted && !this.devices.every(({ idle }) => idle)) await delay(IDLE_CHECK_MS);
  }

  /** Disconnects every device. */
  async close(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.devices.map((device) => device.close()));
  }

  /** Stops every device at once, without a goodbye. */
  abort(): void {
    this.stopping = true;
    for (const device of this.devices) device.abort();
  }
}
