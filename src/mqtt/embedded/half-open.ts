/** Ids of QoS 2 publishes whose PUBREL has not come, by client [MQTT-4.3.3-2]. */
export class HalfOpen {
  private readonly ids = new Map<string, Set<number>>();

  has(clientId: string, messageId: number): boolean {
    return this.ids.get(clientId)?.has(messageId) ?? false;
  }

  count(clientId: string): number {
    return this.ids.get(clientId)?.size ?? 0;
  }

  add(clientId: string, messageId: number): void {
    const ids = this.ids.get(clientId);
    if (ids) ids.add(messageId);
    else this.ids.set(clientId, new Set([messageId]));
  }

  /** True where the id was known. */
  delete(clientId: string, messageId: number): boolean {
    const ids = this.ids.get(clientId);
    if (!ids?.delete(messageId)) return false;
    if (ids.size === 0) this.ids.delete(clientId);
    return true;
  }

  clear(clientId: string): void {
    this.ids.delete(clientId);
  }
}
