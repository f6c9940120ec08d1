interface Numbered {
  readonly brokerCounter: number;
}

/** Messages that only one client may get, by their number, while they are on their way to those that are subscribed. */
export class Addressees {
  private readonly of = new Map<number, string>();

  /** How many are on their way. */
  get size(): number {
    return this.of.size;
  }

  /** To be called before the message goes out. */
  begin({ brokerCounter }: Numbered, clientId: string): void {
    this.of.set(brokerCounter, clientId);
  }

  /** It is with all that are connected, or waits in their sessions. */
  end({ brokerCounter }: Numbered): void {
    this.of.delete(brokerCounter);
  }

  mayGet({ brokerCounter }: Numbered, clientId: string): boolean {
    const addressee = this.of.get(brokerCounter);
    return addressee === undefined || addressee === clientId;
  }
}
