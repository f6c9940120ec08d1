import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { DomainError, isPassing } from '../common/errors.js';
import { LimitedLog } from '../common/limited-log.js';
import type { Statement, StatementResult } from '../storage/database.js';
import { AdmissionService } from './admission.service.js';
import { changeOf, type RegistryChange } from './registry.change.js';
import { RegistryErrors } from './registry.errors.js';
import type { RegistryFollower } from './registry.follower.js';
import { RegistryRepository } from './registry.repository.js';

/** What has ended: all logins of a device, or those with one of its credentials. */
export interface Revocation {
  readonly deviceId: string;
  /** Null: all of them. */
  readonly credentialId: string | null;
}

const RETRY_AFTER_S = 5;

/** Makes changes to the registry known: to those who hold connections, to followers, and to the admission, on every replica. */
@Injectable()
export class RegistryWatch implements OnModuleDestroy {
  private readonly log = new LimitedLog(new Logger(RegistryWatch.name));
  private readonly revocations = new Set<(revocation: Revocation) => void>();
  private readonly followers = new Set<RegistryFollower>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly unfollow: () => void;

  constructor(
    private readonly devices: RegistryRepository,
    private readonly admission: AdmissionService,
  ) {
    this.unfollow = devices.onChange((change) => this.tell(change));
  }

  onModuleDestroy(): void {
    this.unfollow();
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** Calls back when logins have ended, after the commit. The listener must not throw. Returns what ends it. */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    this.revocations.add(listener);
    return () => void this.revocations.delete(listener);
  }

  /** From now on the follower hears of changes to what devices may log in with. Returns what ends it. */
  follow(follower: RegistryFollower): () => void {
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  /** Every follower knows the secret when it resolves. Throws FOLLOWER_UNAVAILABLE, or what a follower refuses for good; those that know it already are told to look again. */
  async announce(deviceId: string, secret: string): Promise<void> {
    if (this.followers.size === 0) return;
    const told = [...this.followers].map((follower) => follower.credentialIssued(deviceId, secret));
    const failure = (await Promise.allSettled(told)).find((outcome) => outcome.status === 'rejected');
    if (!failure) return;
    this.log.warn('announce', () => ({ msg: 'a login was not taken over', deviceId, error: String(failure.reason) }));
    this.takeBack(deviceId);
    // Such as that the name is somebody else's there: trying again would not help.
    if (failure.reason instanceof DomainError && !isPassing(failure.reason)) throw failure.reason;
    throw RegistryErrors.FOLLOWER_UNAVAILABLE(
      'The broker did not take the login over; nothing was stored. Try again.',
      {
        retryAfter: RETRY_AFTER_S,
        cause: failure.reason,
      },
    );
  }

  /** What was announced is not stored after all. */
  takeBack(deviceId: string): void {
    for (const follower of this.followers) follower.changed(deviceId);
  }

  /** Runs the statements as one job; when it resolves the change is known here, and other replicas are being told. */
  async change(job: readonly Statement[], change: RegistryChange): Promise<StatementResult[]> {
    const results = await this.devices.change(job, change);
    await this.admission.settled();
    return results;
  }

  /** Ends the logins with a credential at this time (epoch milliseconds, at most 24 days ahead). Only for what is connected now: later logins know when they end. */
  endAt(deviceId: string, credentialId: string, at: number): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        this.end({ deviceId, credentialId });
      },
      Math.max(0, at - Date.now()),
    );
    this.timers.add(timer.unref());
  }

  /** Ends these logins now, in this process. */
  end(revocation: Revocation): void {
    for (const listener of this.revocations) listener(revocation);
  }

  /** Ends all logins of a device now. */
  endAll(deviceId: string): void {
    this.tell({ ...changeOf(deviceId), ended: 'all' });
  }

  private tell({ deviceId, ended }: RegistryChange): void {
    if (deviceId !== null) {
      if (ended === 'all') this.end({ deviceId, credentialId: null });
      else for (const credentialId of ended) this.end({ deviceId, credentialId });
    }
    for (const follower of this.followers) follower.changed(deviceId);
  }
}
