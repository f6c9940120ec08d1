import { Module } from '@nestjs/common';
import { RegistryRepository } from './registry.repository.js';
import { RegistryService } from './registry.service.js';

/** The registry of devices by itself, for all that must ask it before they do anything: logins, telemetry, commands. */
@Module({
  providers: [RegistryService, RegistryRepository],
  exports: [RegistryService],
})
export class RegistryModule {}
