/** A retained message that survives a restart. */
export interface RetainedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
}

/** Where the embedded broker keeps retained messages; implemented over the database outside `mqtt/`, which knows no storage. */
export abstract class RetainedStore {
  abstract load(): Promise<RetainedMessage[]>;
  /** Resolves once committed. */
  abstract put(message: RetainedMessage): Promise<void>;
  /** Resolves once the deletion is committed; deleting an unknown topic is no error. */
  abstract remove(topic: string): Promise<void>;
}
