import { PINGREQ, readHeader } from './frame-header.js';

/**
 * Finds the PINGREQ packets behind frames that are held, so that they can be answered at once: each is found once, and is
 * known again when its turn comes.
 */
export class HeldPings {
  /** How far into the held bytes was looked. */
  private lookedAt = 0;
  private answered = 0;

  /** How many pings `held`, which begins with a whole frame, has beyond what was looked at before. */
  find(held: Uint8Array): number {
    let found = 0;
    for (;;) {
      const header = readHeader(held, this.lookedAt);
      if (header === null || header === 'invalid') break;
      if (header.type === PINGREQ) found++;
      this.lookedAt += header.size + header.length;
    }
    this.answered += found;
    return found;
  }

  /** True for a ping that was answered while it was held. */
  wasAnswered(): boolean {
    if (this.answered === 0) return false;
    this.answered--;
    return true;
  }

  /** `bytes` at the front are held no longer. */
  passed(bytes: number): void {
    this.lookedAt = Math.max(0, this.lookedAt - bytes);
  }
}
