import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { DeviceLoginGuard } from './device-login.guard.js';
import { OpenModeGuard } from './open-mode.guard.js';

/** Who may do what. Open mode is the only mode of this version; the configuration refuses every listener off loopback. */
@Module({
  providers: [
    { provide: APP_GUARD, useClass: OpenModeGuard },
    { provide: APP_GUARD, useClass: DeviceLoginGuard },
  ],
})
export class AccessModule {}
