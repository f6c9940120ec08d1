import { BrokerAccounts, type KeptAccount, type WantedAccount } from '../../src/mqtt/broker-accounts.js';

/** A broker's accounts that are slow on demand, and that several replicas may share. */
export class MemoryAccounts extends BrokerAccounts {
  override readonly isReady = true;
  readonly accounts = new Map<string, KeptAccount>();
  /** What was done, in order. */
  readonly done: string[] = [];
  /** Taken by the next change, which waits for it before it does anything. */
  gate: Promise<void> | null = null;

  override open(): Promise<void> {
    return Promise.resolve();
  }

  override close(): Promise<void> {
    return Promise.resolve();
  }

  override fingerprintOf(hash: string): string {
    return hash;
  }

  override list(): Promise<ReadonlyMap<string, KeptAccount>> {
    return Promise.resolve(new Map(this.accounts));
  }

  override async put({ deviceId, enabled }: WantedAccount): Promise<KeptAccount> {
    await this.turn();
    const account = accountOf(deviceId, enabled);
    this.accounts.set(deviceId, account);
    this.done.push(enabled ? 'opened' : 'closed');
    return account;
  }

  override async disable(name: string): Promise<void> {
    await this.turn();
    if (this.accounts.has(name)) this.accounts.set(name, accountOf(name, false));
  }

  override async remove(name: string): Promise<void> {
    await this.turn();
    this.accounts.delete(name);
    this.done.push('removed');
  }

  override denyByDefault(): Promise<void> {
    return Promise.resolve();
  }

  private async turn(): Promise<void> {
    const { gate } = this;
    this.gate = null;
    await gate;
  }
}

function accountOf(name: string, enabled: boolean): KeptAccount {
  return {
    name,
    isOurs: true,
    enabled,
    fingerprint: null,
    compare: (wanted) => (wanted.enabled === enabled ? 'equal' : 'different'),
  };
}
