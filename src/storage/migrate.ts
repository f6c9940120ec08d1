import type { StorageConfig } from '../config/storage.config.js';

/**
 * Brings the database of these settings to the newest schema and returns what was done, a sentence each. Throws StartupError
 * where it cannot be reached, used or migrated; nothing is changed then.
 */
export async function migrateDatabase({ databaseUrl, dataDir }: StorageConfig): Promise<readonly string[]> {
  if (databaseUrl !== null) {
    const { migrateAt } = await import('./postgres/migrate.js');
    const { startupProblem } = await import('./postgres/startup-problem.js');
    try {
      return await migrateAt(databaseUrl);
    } catch (error) {
      throw startupProblem(databaseUrl, error);
    }
  }
  const { prepareDataDirectory } = await import('./sqlite/data-directory.js');
  const { holdDirectory } = await import('./sqlite/open-file.js');
  prepareDataDirectory(dataDir);
  const { lock, notes } = holdDirectory(dataDir, () => {});
  lock.close();
  return notes;
}
