import { lstatSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { belongTogether, certificatesIn, privateKeyIn } from '../../common/certificates.js';
import { StartupError } from '../../common/startup.error.js';
import { loadPart } from '../../config/load-config.js';
import { StorageConfig } from '../../config/storage.config.js';
import { makeDirectory } from '../../storage/sqlite/data-directory.js';
import { Authority, type Issued } from './authority.js';
import { type MadeFiles, type PairFiles, whatToDoNext } from './next-steps.js';
import { replace, writeNew } from './secret-file.js';

const LOCAL_HOSTS = ['localhost', '127.0.0.1', '::1'];
const CERT_MODE = 0o644;
const KEY_MODE = 0o600;

/** What `signalbox cert dev` is asked for. */
export interface DevOptions {
  /** Null: `certs` in DATA_DIR. */
  readonly out: string | null;
  readonly hosts: readonly string[];
  readonly devices: readonly string[];
  readonly force: boolean;
}

/**
 * Makes the certificates and gives back what to tell. A CA that is there is used again; the server certificate is made with
 * it, where it is missing, or where no device is named. Throws a StartupError where a file is there that would have to be replaced,
 * before anything is written; a ConfigError where DATA_DIR is wrong.
 */
export async function makeDevelopmentCertificates({ out, hosts, devices, force }: DevOptions): Promise<string> {
  const directory = out === null ? join(loadPart(StorageConfig).dataDir, 'certs') : resolve(out);
  const path = (name: string): string => join(directory, name);
  const ca = pairAt(path('ca'));
  const server = pairAt(path('server'));
  const clients = [...new Set(devices)].map((id) => ({ id, files: pairAt(path(`device-${id}`)) }));

  try {
    const wantsServer = devices.length === 0 || hosts.length > 0 || !(exists(server.cert) || exists(server.key));
    const wanted = [...(wantsServer ? [server] : []), ...clients.map(({ files }) => files)];
    if (!force) refuseToReplace(wanted.flatMap(({ cert, key }) => [cert, key]));
    makeDirectory(directory);
    const { authority, isNew } = await theAuthority(ca);
    if (wantsServer) write(server, await authority.issueServer([...new Set([...LOCAL_HOSTS, ...hosts])]), force);
    for (const { id, files } of clients) write(files, await authority.issueDevice(id), force);
    const made: MadeFiles = { directory, ca: ca.cert, isNewCa: isNew, server, madeServer: wantsServer, clients };
    return whatToDoNext(made);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new StartupError(
      `The certificates cannot be written to ${directory}: ${(error as Error).message}.`,
      'Give this user write access to it, or name another directory with --out.',
    );
  }
}

function pairAt(path: string): PairFiles {
  return { cert: `${path}.pem`, key: `${path}.key` };
}

async function theAuthority(files: PairFiles): Promise<{ readonly authority: Authority; readonly isNew: boolean }> {
  if (!exists(files.cert) && !exists(files.key)) {
    const { authority, issued } = await Authority.create();
    write(files, issued, false);
    return { authority, isNew: true };
  }
  try {
    if (!belongTogether(certificatesIn(files.cert), privateKeyIn(files.key))) throw new Error('they do not fit');
    const text = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
    return { authority: await Authority.from(text), isNew: false };
  } catch (error) {
    throw new StartupError(
      `The CA in ${files.cert} and ${files.key} cannot be used: ${(error as Error).message}.`,
      'Put both files back, or move both away: then a new CA is made, and every certificate has to be made again.',
    );
  }
}

function refuseToReplace(paths: readonly string[]): void {
  const present = paths.filter(exists);
  if (present.length === 0) return;
  throw new StartupError(
    `There already: ${present.join(', ')}. Nothing is written.`,
    'Use --force to replace them, or name another directory with --out.',
  );
}

/** The key first: a certificate without its key would be of no use to anybody. */
function write({ cert, key }: PairFiles, issued: Issued, force: boolean): void {
  const put = force ? replace : writeNew;
  put(key, issued.key, KEY_MODE);
  put(cert, issued.cert, CERT_MODE);
}

/** True for a link too, wherever it leads. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
