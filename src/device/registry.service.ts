import { Injectable } from '@nestjs/common';
import { type Principal, sees } from '../common/access.js';
import { DeviceErrors } from '../common/device.errors.js';
import { isDeviceId } from '../common/ids.js';
import { isHashOf, NO_HASH } from '../common/secrets.js';
import { AccessMode } from '../config/access.mode.js';
import type { RegistryChange } from './registry.change.js';
import type { RegistryEntry } from './registry.device.js';
import type { RegistryFollower } from './registry.follower.js';
import { type RegisteredDevice, RegistryRepository } from './registry.repository.js';
import { RegistryWatch, type Revocation } from './registry.watch.js';

export type { RegistryFollower } from './registry.follower.js';
export type { Revocation } from './registry.watch.js';

/** That a device has logged in, and with what. `expiresAt` in epoch milliseconds; null: until it is revoked. */
export interface DeviceLogin {
  readonly deviceId: string;
  /** Null where it was a certificate. */
  readonly credentialId: string | null;
  readonly expiresAt: number | null;
}

/** Which devices there are, what they may log in with, and who sees them. Knows nothing of MQTT. */
@Injectable()
export class RegistryService {
  constructor(
    private readonly devices: RegistryRepository,
    private readonly mode: AccessMode,
    private readonly watch: RegistryWatch,
  ) {}

  /** True where the device is none of those that the caller may know of. Without limits that is nobody's. */
  async hides(caller: Principal, deviceId: string): Promise<boolean> {
    if (caller.tags === null) return false;
    return !isDeviceId(deviceId) || !sees(caller, await this.devices.tagsOf(deviceId));
  }

  /** Throws DEVICE_UNKNOWN where the device is hidden from the caller; one that does not exist is hidden from those with limits only. */
  async requireVisible(caller: Principal, deviceId: string): Promise<void> {
    if (await this.hides(caller, deviceId)) throw unknown();
  }

  /** Those of the devices, 1,000 at most, that the caller may know of: without limits all of them, whether they exist or not. */
  async visibleAmong({ tags }: Principal, deviceIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return tags === null || deviceIds.size === 0 ? deviceIds : this.devices.carriersAmong([...deviceIds], tags);
  }

  /** The device as the registry has it. Throws DEVICE_UNKNOWN where there is none, or it is hidden from the caller. */
  async requireEntry(caller: Principal, deviceId: string): Promise<RegistryEntry> {
    const entry = isDeviceId(deviceId) ? await this.devices.entry(deviceId) : null;
    if (!entry || !sees(caller, entry.tags)) throw unknown();
    return entry;
  }

  /**
   * The device that the caller wants to send a command to, or null where it was never seen and registration is open. Throws
   * DEVICE_UNKNOWN, DEVICE_PENDING, DEVICE_DISABLED.
   */
  async requireCommandable(caller: Principal, deviceId: string): Promise<RegisteredDevice | null> {
    await this.requireVisible(caller, deviceId);
    const device = await this.devices.find(deviceId);
    if (!device && this.mode.registration !== 'open') throw unknown();
    if (device?.approved === false) throw DeviceErrors.DEVICE_PENDING('Approve the device first.');
    if (device?.enabled === false) throw DeviceErrors.DEVICE_DISABLED('Enable the device first.');
    return device;
  }

  /**
   * The login of a device with a credential, or null where that is refused, for whatever reason; it takes as long for a wrong
   * secret as for a device that does not exist. Rejects with STORAGE_UNAVAILABLE.
   */
  async logIn(deviceId: string, secret: string | Uint8Array): Promise<DeviceLogin | null> {
    const known = isDeviceId(deviceId);
    const [device, kept] = await Promise.all([
      this.devices.find(known ? deviceId : '-'),
      this.devices.credentialsOf(known ? deviceId : '-'),
    ]);
    const now = Date.now();
    const valid = kept.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
    // As many comparisons for everybody: at most two are valid.
    const [first, second] = [valid[0]?.hash ?? NO_HASH, valid[1]?.hash ?? NO_HASH].map((hash) =>
      isHashOf(hash, secret),
    );
    const credential = first ? valid[0] : second ? valid[1] : undefined;
    if (!credential || !device?.enabled || !device.approved) return null;
    return { deviceId, credentialId: credential.id, expiresAt: credential.expiresAt };
  }

  /** The login of a device whose certificate was verified, or null where the device may not log in. Rejects with STORAGE_UNAVAILABLE. */
  async logInByCertificate(deviceId: string): Promise<DeviceLogin | null> {
    const device = isDeviceId(deviceId) ? await this.devices.find(deviceId) : null;
    return device?.enabled && device.approved ? { deviceId, credentialId: null, expiresAt: null } : null;
  }

  /** True where a device has this id. */
  async isRegistered(deviceId: string): Promise<boolean> {
    return isDeviceId(deviceId) && (await this.devices.find(deviceId)) !== null;
  }

  /** Calls back when logins have ended, after the commit. The listener must not throw. Returns what ends it. */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    return this.watch.onRevoked(listener);
  }

  /** Calls back after every change to a device, whichever replica has made it. The listener must not throw. Returns what ends it. */
  onChange(listener: (change: RegistryChange) => void): () => void {
    return this.devices.onChange(listener);
  }

  /** From now on the follower hears of changes to what devices may log in with. Returns what ends it. */
  follow(follower: RegistryFollower): () => void {
    return this.watch.follow(follower);
  }
}

function unknown(): Error {
  return DeviceErrors.DEVICE_UNKNOWN('There is no device with this id.');
}
