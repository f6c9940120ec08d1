import { Module } from '@nestjs/common';
import { RegistryModule } from '../device/registry.module.js';
import { AccessModule } from './access.module.js';
import { BrokerAccessHttpController } from './broker-access.http.controller.js';
import { BrokerAccessService } from './broker-access.service.js';
import { BrokerAccountRepository } from './broker-account.repository.js';
import { BrokerAccountsService } from './broker-accounts.service.js';
import { BrokerDenial } from './broker-denial.js';
import { BrokerLeaseRepository } from './broker-lease.repository.js';

/** Access at brokers elsewhere: some ask us, to others we hand our accounts. */
@Module({
  imports: [AccessModule, RegistryModule],
  controllers: [BrokerAccessHttpController],
  providers: [BrokerAccessService, BrokerDenial, BrokerAccountRepository, BrokerLeaseRepository, BrokerAccountsService],
  exports: [BrokerAccountsService],
})
export class BrokerModule {}
