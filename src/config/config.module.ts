import { type DynamicModule, Module } from '@nestjs/common';
import { CONFIG_CLASSES, type LoadedConfig } from './load-config.js';

/** Makes each validated configuration class injectable everywhere. */
@Module({})
export class ConfigModule {
  static register(config: LoadedConfig): DynamicModule {
    const providers = CONFIG_CLASSES.map((type) => ({ provide: type, useValue: config.get(type) }));
    return { module: ConfigModule, global: true, providers, exports: providers };
  }
}
