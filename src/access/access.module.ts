import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RegistryModule } from '../device/registry.module.js';
import { AccessGuard } from './access.guard.js';
import { AdminKey } from './admin-key.js';
import { AuditHttpController } from './audit.http.controller.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { CallerService } from './caller.service.js';
import { KeyHttpController } from './key.http.controller.js';
import { KeyRepository } from './key.repository.js';
import { KeyService } from './key.service.js';
import { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';
import { MqttAccess } from './mqtt-access.service.js';
import { OpenModeGuard } from './open-mode.guard.js';
import { RateLimit } from './rate-limit.js';
import { SessionHttpController } from './session.http.controller.js';
import { SessionRepository } from './session.repository.js';
import { SessionService } from './session.service.js';

/** Who may do what. */
@Module({
  imports: [RegistryModule],
  controllers: [KeyHttpController, SessionHttpController, AuditHttpController],
  providers: [
    AdminKey,
    AuditRepository,
    AuditService,
    CallerService,
    KeyRepository,
    KeyRing,
    KeyService,
    LoginService,
    MqttAccess,
    RateLimit,
    SessionRepository,
    SessionService,
    // In this order.
    { provide: APP_GUARD, useClass: OpenModeGuard },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [AdminKey, CallerService, LoginService, KeyRing, MqttAccess],
})
export class AccessModule {}
