import type { Migration } from '../migration.js';
import { telemetry } from './0001-telemetry.js';
import { commands } from './0002-commands.js';
import { replicas } from './0003-replicas.js';
import { commandFates } from './0004-command-fates.js';
import { access } from './0005-access.js';
import { presence } from './0006-presence.js';

/** All migrations of the SQLite file in their order; the last one's version is what this program reads and writes. */
export const migrations: readonly Migration[] = [telemetry, commands, replicas, commandFates, access, presence];
