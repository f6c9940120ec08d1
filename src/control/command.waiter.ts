import { setImmediate } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Database } from '../storage/database.js';
import type { Command } from './command.js';
import { CommandJournal } from './command.journal.js';
import { CommandRepository } from './command.repository.js';

/** How often a command that is waited for is read anew, in case that news of it was lost, in milliseconds. */
const LOOK_MS = 5_000;

/** Until what a command is waited for: its end, or that the device has begun with it. */
export type WaitGoal = 'final' | 'acked';

/** Waits for commands, whichever replica brings them on. */
@Injectable()
export class CommandWaiter implements OnModuleInit, OnModuleDestroy {
  private readonly waiting = new Map<string, Set<Watch>>();
  private readonly endings: (() => void)[] = [];
  private stopped = false;

  constructor(
    private readonly commands: CommandRepository,
    private readonly journal: CommandJournal,
    private readonly database: Database,
  ) {}

  onModuleInit(): void {
    this.endings.push(
      this.journal.onChange((command) => this.tell(command.id, command)),
      this.database.onNews('commands', (detail) => {
        if (detail !== null) return this.tell(detail.split(' ', 1)[0]!, null);
        for (const id of this.waiting.keys()) this.tell(id, null);
      }),
    );
  }

  /** Whoever waits gets the present state, so that a stop need not wait for him. */
  onModuleDestroy(): void {
    this.stopped = true;
    for (const end of this.endings) end();
    for (const id of this.waiting.keys()) this.tell(id, null);
  }

  /** How many wait at this moment. */
  get count(): number {
    return [...this.waiting.values()].reduce((count, { size }) => count + size, 0);
  }

  /**
   * Resolves with the command when it has reached the goal, or as it is after `ms`, at a stop, or when `signal` aborts. Never
   * rejects because of a database that is away for a moment: it goes on with what it knows.
   */
  async until(command: Command, goal: WaitGoal, ms: number, signal: AbortSignal): Promise<Command> {
    if (ms <= 0) return command;
    const end = performance.now() + ms;
    const watch = new Watch(command);
    const all = this.waiting.get(command.id) ?? new Set();
    this.waiting.set(command.id, all.add(watch));
    const wake = (): void => watch.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!hasReached(watch.latest, goal) && !signal.aborted && !this.stopped) {
        if (watch.takeStale()) {
          // What was committed here the journal tells within this turn, which saves reading it.
          await setImmediate();
          if (!hasReached(watch.latest, goal)) watch.hear(await this.commands.find(command.id).catch(() => null));
          continue;
        }
        const left = end - performance.now();
        if (left <= 0) break;
        await watch.news(Math.min(left, LOOK_MS));
      }
      return watch.latest;
    } finally {
      signal.removeEventListener('abort', wake);
      all.delete(watch);
      if (all.size === 0) this.waiting.delete(command.id);
    }
  }

  private tell(id: string, command: Command | null): void {
    for (const watch of this.waiting.get(id) ?? []) watch.tell(command);
  }
}

/** What one who waits knows of a command. */
class Watch {
  private stale = true;
  private onWake: () => void = () => {};

  constructor(public latest: Command) {}

  /** News of the command, or null where it has to be read. */
  tell(command: Command | null): void {
    if (command === null) this.stale = true;
    this.hear(command);
    this.wake();
  }

  hear(command: Command | null): void {
    if (command && command.version >= this.latest.version) this.latest = command;
  }

  /** True once after it has become doubtful whether the latest that is known is the latest there is. */
  takeStale(): boolean {
    const { stale } = this;
    this.stale = false;
    return stale;
  }

  wake(): void {
    this.onWake();
  }

  /** Resolves at the next news, or after `ms`, when it is time to look. */
  async news(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.stale = true;
        resolve();
      }, ms);
      this.onWake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.onWake = () => {};
  }
}

function hasReached({ final, status }: Command, goal: WaitGoal): boolean {
  return final || (goal === 'acked' && status === 'ACKED');
}
