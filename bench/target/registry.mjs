import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import { databaseFile } from './signalbox.mjs';

/** What all devices of the bench log in with: as long as a generated one. */
export const PASSWORD = 'bench'.padEnd(43, '0');

/**
 * Registers devices `<name>-00000` .. in the database of a stopped Signalbox, each with a credential whose secret is PASSWORD.
 * @param {{ dataDirectory: string, name: string, count: number }} options
 */
export function registerDevices({ dataDirectory, name, count }) {
  const database = new Database(databaseFile(dataDirectory), { fileMustExist: true });
  try {
    const hash = createHash('sha256').update(PASSWORD).digest('base64url');
    const addDevice = database.prepare(`insert into devices (id, link, created_at) values (?, 'native', ?)`);
    const addCredential = database.prepare(
      'insert into credentials (id, device_id, hash, created_at) values (?, ?, ?, ?)',
    );
    database.transaction(() => {
      const now = Date.now();
      for (let n = 0; n < count; n += 1) {
        const id = `${name}-${String(n).padStart(5, '0')}`;
        addDevice.run(id, now);
        addCredential.run(`c-${id}`, id, hash, now);
      }
    })();
    database.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}
