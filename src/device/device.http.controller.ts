import { Controller, Delete, HttpCode, Param } from '@nestjs/common';
import { RequireScope } from '../common/access.js';
import { DeviceService } from './device.service.js';

/** The devices, one by one. */
@Controller('v1/devices')
export class DeviceHttpController {
  constructor(private readonly devices: DeviceService) {}

  @Delete(':id')
  @RequireScope('devices:write')
  @HttpCode(204)
  async remove(@Param('id') id: string): Promise<void> {
    await this.devices.remove(id);
  }
}
