import { Command } from 'commander';

/**
 * `signalbox migrate`: brings the database of the settings to the newest schema and says what it did. Sets the exit code: 0 done,
 * 1 failed, 69 the database cannot be reached, 78 wrong settings.
 */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the database to the newest schema (settings: docs/configuration.md)')
    .exitOverride()
    .action(async () => {
      const { exitOnFailure } = await import('../app.process.js');
      const migrating = migrateConfigured();
      exitOnFailure(migrating);
      for (const line of await migrating) process.stdout.write(`${line}\n`);
    });
}

async function migrateConfigured(): Promise<readonly string[]> {
  await import('reflect-metadata');
  const { loadConfig } = await import('../config/load-config.js');
  const { StorageConfig } = await import('../config/storage.config.js');
  const { migrateDatabase } = await import('../storage/migrate.js');
  const notes = await migrateDatabase(loadConfig().get(StorageConfig));
  return notes.length > 0 ? notes : ['The database has the newest schema already.'];
}
