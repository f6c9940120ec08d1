export type ProtocolVersion = 5 | 4;

/** What a failed attempt says about the protocol: the broker refused the version, closed without a word, or something else. */
export type ConnectFailure = 'version' | 'closed' | 'other';

/**
 * Which version of MQTT a broker is spoken to with, for all connections of a link: 5 until it is refused, then 3.1.1. A
 * broker that closes without an answer is tried with the other version in turn, until one has worked.
 */
export class ProtocolChoice {
  private proven: ProtocolVersion | null = null;
  private next: ProtocolVersion = 5;

  /** What to try, or what works. 4 stands for 3.1.1, as in the CONNECT packet. */
  get version(): ProtocolVersion {
    return this.proven ?? this.next;
  }

  worked(version: ProtocolVersion): void {
    this.proven = version;
  }

  /** Learns from an attempt with `version`. True where the next attempt need not wait, because it will try another version. */
  failed(version: ProtocolVersion, why: ConnectFailure): boolean {
    if (version !== this.version) return true;
    if (why === 'version') this.proven = null;
    else if (why === 'other' || this.proven !== null) return false;
    this.next = version === 5 ? 4 : 5;
    return version === 5;
  }
}
