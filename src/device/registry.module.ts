import { Module } from '@nestjs/common';
import { AdmissionService } from './admission.service.js';
import { RegistryCredentials } from './registry.credentials.js';
import { RegistryEditor } from './registry.editor.js';
import { Registrar } from './registry.registrar.js';
import { RegistryRepository } from './registry.repository.js';
import { RegistryService } from './registry.service.js';
import { RegistryWatch } from './registry.watch.js';

/** The registry of devices by itself, for all that must ask it before they do anything: logins, telemetry, commands. */
@Module({
  providers: [
    RegistryService,
    RegistryRepository,
    RegistryWatch,
    AdmissionService,
    Registrar,
    RegistryEditor,
    RegistryCredentials,
  ],
  exports: [
    RegistryService,
    AdmissionService,
    // For the routes and the removal of devices, in this folder.
    RegistryRepository,
    RegistryWatch,
    Registrar,
    RegistryEditor,
    RegistryCredentials,
  ],
})
export class RegistryModule {}
