import { Injectable } from '@nestjs/common';
import { isDeviceId } from '../common/ids.js';
import { type RefusedMessage, SensorService } from '../sensor/sensor.service.js';
import type { Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import { DeviceRepository } from './device.repository.js';
import { parseStatus } from './status.js';

/** What was published on a device's `up/status`. `deviceId` is as the topic has it; `receivedAt` in epoch milliseconds. */
export interface StatusMessage {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly receivedAt: number;
}

/** Whether a device is there, as far as is known. `unknown`: it was heard, but neither it nor the broker says that it is there now. */
export interface DevicePresence {
  readonly state: 'online' | 'offline' | 'unknown' | 'never';
  /** The last sign of life in epoch milliseconds, or null. */
  readonly lastSeen: number | null;
  /**
   * A command that is published now has somebody to hear it. Embedded broker: a granted subscription that names the device
   * covers its commands. External broker: presence is not `offline`, and the device does not fetch its commands over HTTP.
   */
  readonly listens: boolean;
}

/** Which devices there are and how they reach us. */
@Injectable()
export class DeviceService {
  constructor(
    private readonly devices: DeviceRepository,
    private readonly sensors: SensorService,
  ) {}

  /** Takes what devices say of themselves: whoever does so is native from then on. What is no status is kept as a reject. */
  async hear(messages: readonly StatusMessage[]): Promise<void> {
    const refused: RefusedMessage[] = [];
    const heard = new Map<string, number>();
    for (const message of messages) {
      const detail = problemOf(message);
      if (detail !== null) refused.push({ ...message, code: 'BAD_STATUS', detail });
      // An empty payload clears a retained status, and anybody may do so for a device that is gone.
      else if (message.payload.length > 0) heard.set(message.deviceId, message.receivedAt);
    }
    await Promise.all([this.sensors.reject(refused), this.devices.showNative(heard)]);
  }

  /** How the device reaches us, or null where it has never been seen nor been sent a command. */
  linkOf(deviceId: string): Promise<DeviceLink | null> {
    return this.devices.linkOf(deviceId);
  }

  /** Whether the device is there. Rejects with STORAGE_UNAVAILABLE. */
  presenceOf(_deviceId: string): Promise<DevicePresence> {
    return Promise.resolve({ state: 'unknown', lastSeen: null, listens: true });
  }

  /** Calls back when a device has begun to listen for commands, here or on another replica. Returns what ends it. */
  onListening(_listener: (deviceId: string) => void): () => void {
    return () => {};
  }

  /** The device asks for its commands over HTTP: a sign of life, and from now on nothing is published to it unless it listens over MQTT again. */
  async notePoll(_deviceId: string): Promise<void> {}

  /** Calls `before` when a device is about to be removed, with its id; the removal waits for it. Returns what ends it. */
  onRemoval(_before: (deviceId: string) => Promise<void>): () => void {
    return () => {};
  }

  /** A statement for somebody else's write job that creates the device where it is unknown. `at` in epoch milliseconds. */
  registration(deviceId: string, link: DeviceLink, at: number): Statement {
    return this.devices.insert(deviceId, link, at);
  }
}

function problemOf({ deviceId, payload }: StatusMessage): string | null {
  if (!isDeviceId(deviceId)) return 'The level of the topic that names the device is no device id.';
  try {
    parseStatus(payload);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
