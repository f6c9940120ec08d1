import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RegistryModule } from '../device/registry.module.js';
import { AccessGuard } from './access.guard.js';
import { AdminKey } from './admin-key.js';
import { BrokerAccessHttpController } from './broker-access.http.controller.js';
import { BrokerAccessService } from './broker-access.service.js';
import { BrokerDenial } from './broker-denial.js';
import { KeyRepository } from './key.repository.js';
import { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';
import { MqttAccess } from './mqtt-access.service.js';
import { OpenModeGuard } from './open-mode.guard.js';

/** Who may do what. */
@Module({
  imports: [RegistryModule],
  controllers: [BrokerAccessHttpController],
  providers: [
    AdminKey,
    KeyRepository,
    KeyRing,
    LoginService,
    MqttAccess,
    BrokerAccessService,
    BrokerDenial,
    // In this order.
    { provide: APP_GUARD, useClass: OpenModeGuard },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [AdminKey, LoginService, KeyRing, MqttAccess],
})
export class AccessModule {}
