import { Global, Module } from '@nestjs/common';
import { RetainedStore } from '../mqtt/retained.store.js';
import { RetainedRepository } from './retained.repository.js';

/** Gives the embedded broker, which knows no storage, a place for its retained messages. */
@Global()
@Module({ providers: [{ provide: RetainedStore, useClass: RetainedRepository }], exports: [RetainedStore] })
export class RetainedModule {}
