import { Command } from 'commander';

/**
 * `signalbox openapi`: prints the description of the REST API as it is where access is required, the same that is kept as
 * docs/openapi.json. Needs no settings, opens no port and no database.
 */
export function openApiCommand(): Command {
  return new Command('openapi')
    .description('print the OpenAPI description of the REST API')
    .exitOverride()
    .action(async () => {
      process.stdout.write(`${JSON.stringify(await describeApi(), null, 2)}\n`);
    });
}

async function describeApi(): Promise<object> {
  await import('reflect-metadata');
  const { ModulesContainer, NestFactory } = await import('@nestjs/core');
  const { AppModule } = await import('../app.module.js');
  const { HttpRefusals } = await import('../common/http-refusals.js');
  const { loadConfig } = await import('../config/load-config.js');
  const { openApiDocument } = await import('../openapi/openapi.document.js');
  const { controllersIn } = await import('../openapi/openapi.routes.js');
  // The routes are the same under all settings; those of the user may be wrong, or not be there yet.
  const app = AppModule.register(loadConfig({}, import.meta.dirname), new HttpRefusals());
  // A preview creates no provider and calls no hook.
  const preview = await NestFactory.createApplicationContext(app, { preview: true, logger: false });
  return openApiDocument(controllersIn(preview.get(ModulesContainer)), { required: true });
}
