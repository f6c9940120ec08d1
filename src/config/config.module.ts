import { type DynamicModule, Module } from '@nestjs/common';
import { AccessMode } from './access.mode.js';
import { CONFIG_CLASSES, type LoadedConfig } from './load-config.js';

/** Makes each validated configuration class, and what those of access come to, injectable everywhere. */
@Module({})
export class ConfigModule {
  static register(config: LoadedConfig): DynamicModule {
    const providers = [
      ...CONFIG_CLASSES.map((type) => ({ provide: type, useValue: config.get(type) })),
      { provide: AccessMode, useValue: config.mode },
    ];
    return { module: ConfigModule, global: true, providers, exports: providers };
  }
}
