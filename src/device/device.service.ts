import { Injectable } from '@nestjs/common';
import type { Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import { DeviceRepository } from './device.repository.js';

/** Which devices there are and how they reach us. */
@Injectable()
export class DeviceService {
  constructor(private readonly devices: DeviceRepository) {}

  /** How the device reaches us, or null where it has never been seen nor been sent a command. */
  linkOf(deviceId: string): Promise<DeviceLink | null> {
    return this.devices.linkOf(deviceId);
  }

  /** A statement for somebody else's write job that creates the device where it is unknown. `at` in epoch milliseconds. */
  registration(deviceId: string, link: DeviceLink, at: number): Statement {
    return this.devices.insert(deviceId, link, at);
  }
}
