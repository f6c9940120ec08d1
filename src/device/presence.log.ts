import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { isPassing } from '../common/errors.js';
import { PresenceRepository } from './presence.repository.js';

const CHANGES_PER_BATCH = 500;
/** What a replica that died, or a database that was away, left behind is looked for so often. */
const INTERVAL_MS = 5_000;
const STOP_WAIT_MS = 1_000;

/** Puts changes of presence into the log, each once and those of a device in their order, whichever replica saw them. Nothing waits for it. */
@Injectable()
export class PresenceLog implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PresenceLog.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private isAsked = false;
  private stopped = false;

  constructor(private readonly presences: PresenceRepository) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tell(), INTERVAL_MS).unref();
  }

  /** What is not told by then is told after the next start. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    let late: NodeJS.Timeout | undefined;
    await Promise.race([this.running, new Promise<void>((resolve) => (late = setTimeout(resolve, STOP_WAIT_MS)))]);
    clearTimeout(late);
  }

  /** There may be changes that the log does not have. */
  tell(): void {
    if (this.stopped) return;
    this.isAsked = true;
    this.running ??= this.tellAll().finally(() => (this.running = null));
  }

  private async tellAll(): Promise<void> {
    try {
      while (this.isAsked && !this.stopped) {
        this.isAsked = false;
        if (await this.tellSome()) this.isAsked = true;
      }
    } catch (error) {
      if (!isPassing(error)) this.logger.error({ msg: 'changes of presence not told', error: String(error) });
    }
  }

  /** True where there may be more. */
  private async tellSome(): Promise<boolean> {
    const changes = await this.presences.untold(CHANGES_PER_BATCH);
    if (changes.length === 0) return false;
    const problem = await this.presences.append(changes);
    if (problem !== null) this.logger.error({ msg: 'a change of presence cannot be told', error: problem });
    await this.presences.told(changes);
    return changes.length === CHANGES_PER_BATCH;
  }
}
