import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { devicePrincipal } from '../common/access.js';
import { LimitedLog } from '../common/limited-log.js';
import { BrokerConfig } from '../config/broker.config.js';
import { TopicConfig } from '../config/topic.config.js';

import { type RegistryFollower, RegistryService } from '../device/registry.service.js';
import { BrokerAccounts, type KeptAccount, type WantedAccount } from '../mqtt/broker-accounts.js';
import { isGatewayClientId } from '../mqtt/gateway-ids.js';
import { MqttErrors } from '../mqtt/mqtt.errors.js';
import { publishRights, subscribeRights } from '../mqtt/topic-rights.js';
import { type AccountRow, BrokerAccountRepository } from './broker-account.repository.js';
import { BrokerLeaseRepository } from './broker-lease.repository.js';

/** How often all accounts are compared, in milliseconds; less often where that takes long: it takes a twentieth of the time at most. */
const LOOK_MS = 5_000;
const SHARE_OF_TIME = 20;
/** After a comparison that failed, or news of changes that may have been missed. */
const SOON_MS = 1_000;
/** How long an account without a device stays closed before it is removed: its device may be about to be committed. */
const ORPHAN_MS = 15_000;
/** Attempts to get an account equal to a device that changes meanwhile. */
const ATTEMPTS = 5;
/** Devices that a log line names. */
const NAMED = 10;

/** How the accounts at the broker stand to the registry. Counts are of the last look; null on a replica that leaves it to another. */
export interface BrokerAccountsState {
  /** Devices whose valid credential the broker does not have, because it forgot its accounts or a commit failed: they need a new one. */
  readonly needCredential: number | null;
  /** Devices whose name is that of an account which Signalbox did not make. */
  readonly taken: number | null;
}

/**
 * Keeps the accounts at an external broker equal to the registry: a password is handed over when it is issued, other changes
 * as soon as they are committed, and one replica compares everything again and again.
 */
@Injectable()
export class BrokerAccountsService
  implements RegistryFollower, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown
{
  private readonly logger = new Logger('BrokerAccounts');
  private readonly limited = new LimitedLog(this.logger);
  private readonly orphans = new Map<string, number>();
  private needCredential: readonly string[] | null = null;
  private taken: readonly string[] | null = null;
  private looking: Promise<void> | null = null;
  private lookAgain = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private unfollow: () => void = () => {};

  constructor(
    @Inject(BrokerAccounts) private readonly accounts: BrokerAccounts | null,
    private readonly registry: RegistryService,
    private readonly rows: BrokerAccountRepository,
    private readonly lease: BrokerLeaseRepository,
    private readonly topics: TopicConfig,
    private readonly broker: BrokerConfig,
  ) {}

  /** Null where the broker keeps no accounts for us. */
  get state(): BrokerAccountsState | null {
    if (!this.accounts) return null;
    return { needCredential: this.needCredential?.length ?? null, taken: this.taken?.length ?? null };
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.accounts) return;
    this.unfollow = this.registry.follow(this);
    await this.accounts.open(() => this.lookSoon(0));
  }

  onModuleDestroy(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** After the last request, which may have needed the broker. */
  async onApplicationShutdown(): Promise<void> {
    if (!this.accounts) return;
    this.unfollow();
    await this.accounts.close();
    await this.looking;
    await this.lease.release().catch((error: unknown) => this.note('the lease could not be given back', error));
  }

  /** The broker has the secret before the registry has it: nobody knows it yet, and without it the device could not log in. */
  async credentialIssued(deviceId: string, secret: string): Promise<void> {
    if (!this.accounts) return;
    if (isGatewayClientId(deviceId, this.broker)) {
      throw MqttErrors.BROKER_ACCOUNT_TAKEN('Signalbox itself uses this name at the broker.');
    }
    const row = await this.rows.find(deviceId);
    await this.accounts.put(this.wanted(row ?? { deviceId, mayLogIn: true, hashes: [] }), secret);
  }

  changed(deviceId: string | null): void {
    if (!this.accounts || this.stopped) return;
    if (deviceId === null) return this.lookSoon(SOON_MS);
    void this.settle(deviceId, 'remove').catch((error: unknown) => {
      this.note('the account of a device could not be changed at the broker; it is tried again', error);
      this.lookSoon(SOON_MS);
    });
  }

  /**
   * Makes the account equal to what the registry says, and looks again whether it still says so: another replica may have acted
   * on what was true later, and been overtaken by what is done here.
   */
  private async settle(deviceId: string, orphan: 'disable' | 'remove'): Promise<KeptAccount | null> {
    const { accounts } = this;
    if (!accounts || isGatewayClientId(deviceId, this.broker)) return null;
    let account: KeptAccount | null = null;
    let row = await this.rows.find(deviceId);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (row) account = await accounts.put(this.wanted(row), null).catch(nullWhereTaken);
      else await (orphan === 'remove' ? accounts.remove(deviceId) : accounts.disable(deviceId));
      const after = await this.rows.find(deviceId);
      if (isSame(row, after)) break;
      row = after;
    }
    return account;
  }

  private wanted({ deviceId, mayLogIn, hashes }: AccountRow): WantedAccount {
    const device = devicePrincipal(deviceId);
    return {
      deviceId,
      enabled: mayLogIn,
      fingerprints: hashes.map((hash) => this.accounts!.fingerprintOf(hash)),
      publish: publishRights(device, this.topics),
      subscribe: subscribeRights(device, this.topics),
    };
  }

  private lookSoon(ms: number): void {
    if (this.stopped) return;
    if (this.looking) this.lookAgain = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), ms);
  }

  /** Must not reject. */
  private async look(): Promise<void> {
    if (this.looking) return;
    const began = performance.now();
    this.looking = this.compareAll();
    await this.looking;
    this.looking = null;
    const took = performance.now() - began;
    this.lookSoon(this.lookAgain ? SOON_MS : Math.max(LOOK_MS, took * SHARE_OF_TIME));
    this.lookAgain = false;
  }

  private async compareAll(): Promise<void> {
    const { accounts } = this;
    if (!accounts?.isReady) return;
    try {
      if (await this.lease.take()) await this.compare(accounts);
      else this.told(null, null);
    } catch (error) {
      if (!this.stopped) this.note('the accounts at the broker could not be compared; it is tried again', error);
    }
  }

  private async compare(accounts: BrokerAccounts): Promise<void> {
    await accounts.denyByDefault();
    // Before the registry: what is committed meanwhile then has its account, and is not taken for an orphan.
    const kept = await accounts.list();
    const known = new Set<string>();
    const needCredential: string[] = [];
    const taken: string[] = [];
    for await (const page of this.rows.pages()) {
      for (const row of page) {
        const { deviceId } = row;
        if (isGatewayClientId(deviceId, this.broker)) continue;
        known.add(deviceId);
        const listed = kept.get(deviceId) ?? null;
        const wanted = this.wanted(row);
        const verdict = listed?.compare(wanted) ?? 'different';
        const account = verdict === 'different' ? await this.settle(deviceId, 'disable') : listed;
        if (verdict === 'taken') taken.push(deviceId);
        else if (row.hashes.length > 0 && !knowsOne(account, wanted)) needCredential.push(deviceId);
        if (this.stopped) return;
      }
    }
    await this.closeOrphans([...kept.values()].filter(({ name, isOurs }) => isOurs && !known.has(name)));
    this.told(needCredential, taken);
  }

  private async closeOrphans(accounts: readonly KeptAccount[]): Promise<void> {
    const names = new Set(accounts.map(({ name }) => name));
    for (const name of this.orphans.keys()) if (!names.has(name)) this.orphans.delete(name);
    const now = performance.now();
    for (const { name } of accounts) {
      const since = this.orphans.get(name) ?? now;
      this.orphans.set(name, since);
      await this.settle(name, now - since >= ORPHAN_MS ? 'remove' : 'disable');
    }
  }

  private told(needCredential: readonly string[] | null, taken: readonly string[] | null): void {
    this.warnOf(this.needCredential, needCredential, {
      msg: 'devices cannot log in at the broker until they get a new credential',
      hint: 'The broker does not know their password, and Signalbox keeps none: POST /v1/devices/{id}/credentials.',
    });
    this.warnOf(this.taken, taken, {
      msg: 'devices have names of accounts that Signalbox did not make, and cannot log in at the broker',
      hint: 'Remove these accounts at the broker, or give the devices other ids.',
    });
    this.needCredential = needCredential;
    this.taken = taken;
  }

  /** Once for each change. */
  private warnOf(before: readonly string[] | null, now: readonly string[] | null, fields: object): void {
    if (!now || now.length === 0 || now.join() === before?.join()) return;
    this.logger.warn({ ...fields, count: now.length, devices: now.slice(0, NAMED) });
  }

  private note(msg: string, error: unknown): void {
    this.limited.warn(msg, () => ({ msg, detail: (error as Error).message }));
  }
}

/** True where the broker has a password that is still valid. */
function knowsOne(account: KeptAccount | null, { fingerprints }: WantedAccount): boolean {
  const fingerprint = account?.fingerprint;
  return typeof fingerprint === 'string' && fingerprints.includes(fingerprint);
}

function isSame(one: AccountRow | null, other: AccountRow | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What is somebody else's stays as it is; the next look counts it. */
function nullWhereTaken(error: unknown): null {
  if ((error as { readonly code?: unknown }).code !== 'BROKER_ACCOUNT_TAKEN') throw error;
  return null;
}
