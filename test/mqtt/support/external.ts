import { Logger } from '@nestjs/common';
import { BrokerConfig } from '../../../src/config/broker.config.js';
import { TopicConfig } from '../../../src/config/topic.config.js';
import { ExternalLink } from '../../../src/mqtt/external/external.link.js';
import type { Delivery } from '../../../src/mqtt/link.js';
import type { SeatStore } from '../../../src/mqtt/seat.store.js';
import { MemorySeatStore } from './memory-seat.store.js';

export type Line = Readonly<Record<string, unknown>>;

/** All that was logged with level warn or log since, in order. */
export function captureLog(): readonly Line[] {
  const lines: Line[] = [];
  const write = (line: unknown): number => lines.push(line as Line);
  Logger.overrideLogger({ warn: write, log: write, error: write });
  return lines;
}

export interface LinkOptions extends Partial<Omit<BrokerConfig, 'url' | 'answersServices'>> {
  readonly store?: SeatStore;
  readonly filters?: readonly string[];
}

/** An external link by itself, and what it delivered. A test decides when each delivery is acknowledged. */
export async function startLink(url: string, options: LinkOptions = {}) {
  const memory = new MemorySeatStore();
  const { store = memory, filters = ['devices/+/up/#'], ...settings } = options;
  const defaults = {
    url: new URL(url),
    username: '',
    password: '',
    clientId: '',
    keepalive: 30,
    ca: null,
    cert: null,
    key: null,
    shareGroup: 'group',
    seats: 1,
    services: 'auto',
  };
  const broker = Object.assign(new BrokerConfig(), defaults, settings);
  const topics = Object.assign(new TopicConfig(), { prefix: 'devices', deviceTopics: [], messageTopics: [] });
  const link = new ExternalLink(broker, topics, store);
  const deliveries: Delivery[] = [];
  const box = {
    link,
    /** The store, where the test gave none. */
    store: memory,
    deliveries,
    /** Called with each delivery; by default it waits for the test. */
    onDelivery: (_delivery: Delivery): void => {},
    counter: (name: string): number => link.counters[name] ?? 0,
    texts: (): string[] => deliveries.map(({ message }) => message.payload.toString()),
    close: async (): Promise<void> => {
      // Nothing is left to wait for.
      for (const delivery of deliveries) delivery.ack();
      await link.stopIntake();
      await link.close();
    },
  };
  await link.start(filters, (delivery) => {
    deliveries.push(delivery);
    box.onDelivery(delivery);
  });
  return box;
}
