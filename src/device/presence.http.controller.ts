import { Controller, Get, Param } from '@nestjs/common';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { formatTime } from '../common/clock.js';
import { DeviceService } from './device.service.js';
import type { DevicePresence } from './presence.js';
import { RegistryService } from './registry.service.js';

/** Presence as it goes out (contract section 7). */
export interface PresenceBody extends Omit<DevicePresence, 'since' | 'lastSeen' | 'listens'> {
  readonly since: string | null;
  readonly lastSeen: string | null;
}

/** Whether devices are there. */
@Controller('v1/devices')
export class PresenceHttpController {
  constructor(
    private readonly devices: DeviceService,
    private readonly registry: RegistryService,
  ) {}

  @Get(':id/presence')
  @RequireScope('devices:read')
  async get(@Param('id') id: string, @Caller() caller: Principal): Promise<PresenceBody> {
    await this.registry.requireVisible(caller, id);
    return presenceBody(await this.devices.knownPresenceOf(id));
  }
}

/** The resource, in the order of the contract and with RFC 3339 times. */
export function presenceBody({ state, since, reason, source, lastSeen, session }: DevicePresence): PresenceBody {
  return { state, since: time(since), reason, source, lastSeen: time(lastSeen), session };
}

function time(epochMs: number | null): string | null {
  return epochMs === null ? null : formatTime(epochMs);
}
