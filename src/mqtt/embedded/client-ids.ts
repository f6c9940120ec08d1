import type { Client } from 'aedes';
import { Attached, FleetingMap } from '../../common/fleeting.js';

interface Turn {
  readonly id: string;
  readonly client: Client;
  /** Whose end it waits for. */
  before: Turn | null;
  after: Turn | null;
  /** Lets it in; null where it need not wait any more. */
  enter: (() => void) | null;
  hasLeft: boolean;
}

/**
 * Lets the clients of one id in one after the other, each once the one before it has left [MQTT-3.1.4-2]. aedes takes a
 * client that is still closing for gone, so that of three at once two stayed.
 */
export class ClientIds {
  private readonly latest = new FleetingMap<string, Turn>();
  private readonly turns = new Attached<Client, Turn>('turn');

  /** The last client that took `id`, unless it and all before it have left. */
  holderOf(id: string): Client | null {
    return this.latest.get(id)?.client ?? null;
  }

  /** Closes the client that has `id`, and resolves when it and all before it have left. */
  async take(id: string, client: Client): Promise<void> {
    const before = this.latest.get(id) ?? null;
    const turn: Turn = { id, client, before, after: null, enter: null, hasLeft: false };
    this.latest.set(id, turn);
    this.turns.set(client, turn);
    if (!before) return;
    before.after = turn;
    const mayEnter = new Promise<void>((resolve) => (turn.enter = resolve));
    before.client.close();
    await mayEnter;
  }

  /** The client is closed and not registered any more, or never was. */
  leave(client: Client): void {
    const turn = this.turns.get(client);
    if (!turn || turn.hasLeft) return;
    turn.hasLeft = true;
    this.end(turn);
  }

  private end(turn: Turn): void {
    for (let over: Turn | null = turn; over?.hasLeft && !over.before;) {
      const { id, after }: Turn = over;
      if (!after) {
        this.latest.delete(id);
        return;
      }
      after.before = null;
      after.enter?.();
      over = after;
    }
  }
}
