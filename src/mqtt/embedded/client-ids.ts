import type { Client } from 'aedes';
import { Attached, FleetingMap } from '../../common/fleeting.js';

interface Turn {
  readonly client: Client;
  /** Resolves when the client and all before it have left. */
  readonly over: Promise<unknown>;
  readonly leave: () => void;
}

/**
 * Lets the clients of one id in one after the other, each once the one before it has left [MQTT-3.1.4-2]. aedes takes a
 * client that is still closing for gone, so that of three at once two stayed.
 */
export class ClientIds {
  private readonly latest = new FleetingMap<string, Turn>();
  private readonly turns = new Attached<Client, Turn>('turn');

  /** The last client that took `id`, unless it has left. */
  holderOf(id: string): Client | null {
    return this.latest.get(id)?.client ?? null;
  }

  /** Closes the client that has `id`, and resolves when it has left. */
  async take(id: string, client: Client): Promise<void> {
    const earlier = this.latest.get(id);
    let leave!: () => void;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const turn = { client, leave, over: Promise.all([left, earlier?.over]) };
    this.latest.set(id, turn);
    this.turns.set(client, turn);
    void turn.over.then(() => this.latest.get(id) === turn && this.latest.delete(id));
    if (!earlier) return;
    earlier.client.close();
    await earlier.over;
  }

  /** The client is closed and not registered any more, or never was. */
  leave(client: Client): void {
    this.turns.get(client)?.leave();
  }
}
