import { type RetainedMessage, RetainedStore } from '../../../src/mqtt/retained.store.js';

/** Keeps retained messages for as long as `kept` lives, so that a test can start a second broker over them. */
export class MemoryRetainedStore extends RetainedStore {
  readonly kept = new Map<string, RetainedMessage>();
  /** Where set, writes wait for it. */
  gate: Promise<void> | null = null;

  override async load(): Promise<RetainedMessage[]> {
    return [...this.kept.values()];
  }

  override async put(message: RetainedMessage): Promise<void> {
    await this.gate;
    this.kept.set(message.topic, message);
  }

  override async remove(topic: string): Promise<void> {
    await this.gate;
    this.kept.delete(topic);
  }
}
