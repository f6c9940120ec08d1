/** Most topics that are remembered; above the number of devices that one process is made for. */
const CAPACITY = 20_000;

/** Remembers what is known of a topic. It is emptied when it is full, so that made-up topics cannot fill the memory. */
export class TopicCache<V> {
  private readonly entries = new Map<string, V>();

  constructor(private readonly find: (topic: string) => V) {}

  get(topic: string): V {
    const known = this.entries.get(topic);
    if (known !== undefined) return known;
    const value = this.find(topic);
    if (this.entries.size >= CAPACITY) this.entries.clear();
    this.entries.set(topic, value);
    return value;
  }

  clear(): void {
    this.entries.clear();
  }
}
