import { Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_TIMER_MS } from '../common/clock.js';
import { LimitedLog } from '../common/limited-log.js';
import { readApiKey } from '../common/secrets.js';
import { type DeviceLogin, RegistryService } from '../device/registry.service.js';
import type { ApiKey } from './key.js';
import { KeyRing } from './key-ring.js';
import { LoginErrors } from './login.errors.js';
import { LoginLimiter } from './login-limiter.js';

/** Refusals leave at the next multiple of this after the arrival of their login, in milliseconds, whatever was wrong. */
const STEP_MS = 100;
/** Refusals that may wait for their time. */
const MAX_WAITING = 2_000;
const RETRY_AFTER_S = 10;

/**
 * Every login goes through here, over HTTP and MQTT alike, so that failures are counted in one place. A refused one resolves
 * with null at a time that says nothing of the reason, and later where its address fails often (login-limiter.ts). `address`: the
 * IP address that it comes from. All reject with STORAGE_UNAVAILABLE, and with TOO_MANY_LOGINS where too many refusals wait.
 */
@Injectable()
export class LoginService {
  private readonly limiter = new LoginLimiter();
  private readonly log = new LimitedLog(new Logger('Logins'));
  private waiting = 0;

  constructor(
    private readonly registry: RegistryService,
    private readonly keys: KeyRing,
  ) {}

  /** The login of a device with its credential, or null where it is refused. */
  device(deviceId: string, secret: string | Uint8Array, address: string): Promise<DeviceLogin | null> {
    return this.judged(deviceName(deviceId), address, () => this.registry.logIn(deviceId, secret));
  }

  /** The login of a device with a certificate that was verified and names it, or null where it is refused. */
  deviceByCertificate(deviceId: string, address: string): Promise<DeviceLogin | null> {
    return this.judged(deviceName(deviceId), address, () => this.registry.logInByCertificate(deviceId));
  }

  /** The API key with this text, or null where that is refused. A good one that is no use here, by `isUsable`, is refused and counts as no failure: nothing was guessed. */
  async key(
    text: string,
    address: string,
    isUsable: () => Promise<boolean> = async () => true,
  ): Promise<ApiKey | null> {
    const arrivedAt = performance.now();
    const key = await this.judged(`key ${readApiKey(text)?.id ?? ''}`, address, () => this.keys.find(text));
    if (!key || (await isUsable())) return key;
    await untilStep(arrivedAt, 0);
    return null;
  }

  /** Calls back once the credential of a device that has logged in is not valid any more, also where it has ended already. Returns what stops that. */
  followDevice({ deviceId, credentialId, expiresAt }: DeviceLogin, secret: string, onEnd: () => void): () => void {
    const unfollow = this.registry.onRevoked((ended) => {
      if (ended.deviceId === deviceId && (ended.credentialId ?? credentialId) === credentialId) onEnd();
    });
    const left = expiresAt === null ? null : Math.min(Math.max(expiresAt - Date.now(), 0), MAX_TIMER_MS);
    const timer = left === null ? undefined : setTimeout(onEnd, left).unref();
    // What was revoked between the login and now was told to others only.
    this.registry.logIn(deviceId, secret).then(
      (login) => login ?? onEnd(),
      () => onEnd(),
    );
    return () => {
      unfollow();
      clearTimeout(timer);
    };
  }

  /** As {@link followDevice}, for a key. */
  followKey(keyId: string, onEnd: () => void): () => void {
    const unfollow = this.keys.onRevoked((id) => {
      if (id === keyId) onEnd();
    });
    this.keys.get(keyId).then(
      (key) => key ?? onEnd(),
      () => onEnd(),
    );
    return unfollow;
  }

  /** Refuses the login of what calls itself a device and has not said enough to be judged, as any other. */
  refuse(deviceId: string, address: string): Promise<null> {
    return this.judged(deviceName(deviceId), address, async () => null);
  }

  private async judged<T>(id: string, address: string, judge: () => Promise<T | null>): Promise<T | null> {
    const arrivedAt = performance.now();
    if (!this.limiter.isLocked(id, address)) {
      const login = await judge();
      // Of many guesses that came at once, no more count than of those that came one after the other.
      if (login !== null && !this.limiter.isLocked(id, address)) {
        this.limiter.succeeded(id, address);
        return login;
      }
    }
    await this.holdBack(id, address, arrivedAt);
    return null;
  }

  private async holdBack(id: string, address: string, arrivedAt: number): Promise<void> {
    const { holdMs, began } = this.limiter.failed(id, address);
    if (began !== null) {
      const msg =
        began === 'lock' ? 'id locked for 10 minutes from this address' : 'failed logins of this address slowed';
      this.log.warn(began, () => ({ msg: `${msg}: too many have failed`, id, address }));
    }
    if (holdMs === null || this.waiting >= MAX_WAITING) {
      throw LoginErrors.TOO_MANY_LOGINS('Too many logins have failed; try again later.', { retryAfter: RETRY_AFTER_S });
    }
    this.waiting++;
    try {
      await untilStep(arrivedAt, holdMs);
    } finally {
      this.waiting--;
    }
  }
}

/** An API key may have the id of a device, and what is tried with the one must not lock the other. */
function deviceName(deviceId: string): string {
  return `device ${deviceId}`;
}

/** Resolves at a whole number of steps after `arrivedAt`, at least one, and not before `holdMs` from now. */
async function untilStep(arrivedAt: number, holdMs: number): Promise<void> {
  const passed = performance.now() - arrivedAt + holdMs;
  const dueAt = arrivedAt + Math.max(1, Math.ceil(passed / STEP_MS)) * STEP_MS;
  // Timers cut fractions off, and a stop does not wait.
  for (let left = dueAt - performance.now(); left > 0; left = dueAt - performance.now()) {
    await sleep(Math.ceil(left), undefined, { ref: false });
  }
}
