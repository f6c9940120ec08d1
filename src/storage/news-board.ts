import type { News, NewsTopic } from './database.js';

type Listener = (detail: string | null) => void;

/** Who in this process wants to hear which news. */
export class NewsBoard {
  private readonly listeners = new Map<NewsTopic, Set<Listener>>();

  onNews(topic: NewsTopic, listener: Listener): () => void {
    const all = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, all.add(listener));
    return () => void all.delete(listener);
  }

  tell({ topic, detail }: News): void {
    for (const listener of this.listeners.get(topic) ?? []) listener(detail);
  }

  /** To be called after a gap: everybody looks for himself. */
  tellOfGap(): void {
    for (const listeners of this.listeners.values()) for (const listener of listeners) listener(null);
  }
}
