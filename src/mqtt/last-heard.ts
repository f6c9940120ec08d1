/** Most devices that are remembered at once, so that made-up ids cannot fill the memory; others are remembered again after the next {@link LastHeard.take}. */
const MOST_DEVICES = 50_000;

/**
 * When each device was last heard over MQTT by this process, in epoch milliseconds; to be taken away and kept elsewhere. What
 * comes on `up/status` is not in it: a will is no sign of life, and only who reads it can tell.
 */
export class LastHeard {
  private heard = new Map<string, number>();

  /** Stands in the way of every message, so it does next to nothing. */
  note(deviceId: string, at: number): void {
    if (this.heard.size < MOST_DEVICES || this.heard.has(deviceId)) this.heard.set(deviceId, at);
  }

  /** When the device was heard since the last {@link take}, or null where it was not. */
  at(deviceId: string): number | null {
    return this.heard.get(deviceId) ?? null;
  }

  /** What was noted since the last call. */
  take(): ReadonlyMap<string, number> {
    const taken = this.heard;
    this.heard = new Map();
    return taken;
  }

  /** Takes back what could not be kept elsewhere. What was heard since then counts. */
  giveBack(taken: Iterable<readonly [deviceId: string, at: number]>): void {
    for (const [deviceId, at] of taken) if (!this.heard.has(deviceId)) this.note(deviceId, at);
  }

  forget(deviceId: string): void {
    this.heard.delete(deviceId);
  }
}
