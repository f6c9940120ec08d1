import { Injectable } from '@nestjs/common';
import { type Command, evolve } from './command.js';
import type { CommandEvent } from './command.machine.js';
import { CommandRepository } from './command.repository.js';

/** Tells what happened, from the command as it is; null where nothing did. */
export type Observation = (command: Command) => CommandEvent | null;

/** What became of an observation: the command behind it, and whether that changed. Null: there is no such command. */
export interface Entry {
  readonly command: Command;
  readonly changed: boolean;
}

/** How long what can wait does wait for what comes next, in milliseconds. */
const PATIENCE_MS = 10;

/** Commands whose last state is kept in memory, because what comes next, such as the answer of the device, mostly comes soon. */
const REMEMBERED = 500;

type ChangeListener = (after: Command, before: Command) => void;

interface Waiting {
  readonly observe: Observation;
  readonly resolve: (entry: Entry | null) => void;
  readonly reject: (error: unknown) => void;
}

/** What is handed in of one command, from the first until all is stored. */
interface Lane {
  readonly waiting: Waiting[];
  isBegun: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Where everything that happens to a command is entered: one observation after the other for each command, in the order in
 * which they are handed in, and those that come while another is being stored together with the next. The version of the row
 * keeps replicas from overwriting each other.
 */
@Injectable()
export class CommandJournal {
  private readonly lanes = new Map<string, Lane>();
  private readonly listeners = new Set<ChangeListener>();
  /** Open commands as they were stored here last, oldest first. Another replica may know better; the version shows. */
  private readonly recent = new Map<string, Command>();

  constructor(private readonly commands: CommandRepository) {}

  /** Calls back after the commit of every change that this replica makes. Returns what ends it. */
  onChange(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Enters what happened to the command with this id; resolves after the commit. `known` saves reading what was read just
   * now. Rejects with STORAGE_UNAVAILABLE where it was not stored, or where nobody can tell whether it was.
   */
  enter(id: string, observe: Observation, known: Command | null = null): Promise<Entry | null> {
    const entry = this.handIn(id, observe);
    this.begin(id, known);
    return entry;
  }

  /** As {@link enter}, but up to 10 ms later: together with what comes next of the command, which is one commit then. */
  note(id: string, observe: Observation): Promise<Entry | null> {
    const entry = this.handIn(id, observe);
    const lane = this.lanes.get(id)!;
    if (!lane.isBegun) lane.timer ??= setTimeout(() => this.begin(id, null), PATIENCE_MS);
    return entry;
  }

  private handIn(id: string, observe: Observation): Promise<Entry | null> {
    const lane = this.lanes.get(id) ?? { waiting: [], isBegun: false, timer: undefined };
    this.lanes.set(id, lane);
    return new Promise((resolve, reject) => lane.waiting.push({ observe, resolve, reject }));
  }

  private begin(id: string, known: Command | null): void {
    const lane = this.lanes.get(id)!;
    if (lane.isBegun) return;
    lane.isBegun = true;
    clearTimeout(lane.timer);
    void this.work(id, lane.waiting, known);
  }

  private async work(id: string, waiting: Waiting[], known: Command | null): Promise<void> {
    let command = known ?? this.recent.get(id) ?? null;
    while (waiting.length > 0) {
      const batch = waiting.splice(0);
      try {
        command = await this.store(id, batch, command);
      } catch (error) {
        command = null;
        for (const { reject } of batch) reject(error);
      }
    }
    this.lanes.delete(id);
    this.remember(id, command);
  }

  private remember(id: string, command: Command | null): void {
    this.recent.delete(id);
    if (command === null || command.final) return;
    if (this.recent.size >= REMEMBERED) this.recent.delete(this.recent.keys().next().value!);
    this.recent.set(id, command);
  }

  /**
   * Stores all that a batch makes of the command, again from what is there where another replica was faster. That nothing
   * comes of it is only said of what was read after the whole batch was handed in.
   */
  private async store(id: string, batch: readonly Waiting[], known: Command | null): Promise<Command | null> {
    let isFresh = known === null;
    for (
      let before = known ?? (await this.commands.find(id));
      ;
      before = await this.commands.find(id), isFresh = true
    ) {
      if (before === null) {
        for (const { resolve } of batch) resolve(null);
        return null;
      }
      const entries: Entry[] = [];
      let after = before;
      for (const { observe } of batch) {
        const event = observe(after);
        const next = event && evolve(after, event);
        after = next ?? after;
        entries.push({ command: after, changed: next !== null });
      }
      if (after === before ? !isFresh : !(await this.commands.save(after))) continue;
      const stored = after === before ? before : { ...after, version: before.version + 1 };
      for (const [i, { resolve }] of batch.entries()) {
        resolve({ ...entries[i]!, command: { ...entries[i]!.command, version: stored.version } });
      }
      if (after !== before) for (const listener of this.listeners) listener(stored, before);
      return stored;
    }
  }
}
