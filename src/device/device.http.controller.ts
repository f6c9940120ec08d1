import { Controller, Delete, HttpCode, Param } from '@nestjs/common';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { DeviceService } from './device.service.js';
import { RegistryService } from './registry.service.js';

/** The devices, one by one. */
@Controller('v1/devices')
export class DeviceHttpController {
  constructor(
    private readonly devices: DeviceService,
    private readonly registry: RegistryService,
  ) {}

  @Delete(':id')
  @RequireScope('devices:write')
  @HttpCode(204)
  async remove(@Param('id') id: string, @Caller() caller: Principal): Promise<void> {
    await this.registry.requireVisible(caller, id);
    await this.devices.remove(id);
  }
}
