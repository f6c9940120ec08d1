import pg from 'pg';
import { StartupError } from '../../common/startup.error.js';
import { messageOf, sqlState } from './postgres-fault.js';

/** `signalbox` and BSD's sysexits: service unavailable. */
const UNAVAILABLE = 69;
const BAD_CONFIGURATION = 78;

/** Why a start with this database fails, in words that name host, port and database but never the password. Other errors are passed on. */
export function startupProblem(url: string, error: unknown): unknown {
  if (error instanceof StartupError) return error;
  let client: pg.Client;
  try {
    client = new pg.Client({ connectionString: url });
  } catch (cause) {
    return new StartupError(
      `DATABASE_URL cannot be used: ${messageOf(cause)}.`,
      'Check its parameters, and that the files which they name can be read.',
      BAD_CONFIGURATION,
    );
  }
  const { host, port, database, user } = client;
  const place = `PostgreSQL at ${host}:${port} (database ${database ?? user})`;
  const code = sqlState(error);
  if (code === '28P01' || code === '28000') {
    return new StartupError(
      `${place} refuses the login of ${user}: ${messageOf(error)}.`,
      'Check the user and the password in DATABASE_URL (or in the file of DATABASE_URL_FILE), and pg_hba.conf on the server.',
    );
  }
  if (code === '3D000') {
    return new StartupError(
      `${place} has no such database.`,
      `Make it: createdb -h ${host} -p ${port} -O ${user} --encoding=UTF8 ${database}`,
    );
  }
  if (code === '42501') {
    return new StartupError(
      `${place} does not let ${user} do what Signalbox needs: ${messageOf(error)}.`,
      `Let ${user} own the database, or: grant create, usage on schema public to ${user}`,
    );
  }
  if (code !== '' && !/^(08|53|57)/.test(code)) return error;
  return new StartupError(
    `${place} cannot be reached: ${messageOf(error)}.`,
    'Start the server, or check host and port in DATABASE_URL and the firewall between.',
    UNAVAILABLE,
  );
}
