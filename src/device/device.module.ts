import { Module } from '@nestjs/common';
import { DeviceRepository } from './device.repository.js';
import { DeviceService } from './device.service.js';

/** The devices. */
@Module({ providers: [DeviceService, DeviceRepository], exports: [DeviceService] })
export class DeviceModule {}
