import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANYONE } from '../../../src/common/access.js';
import { type AdmittedClient, ClientAccess, type ClientLogin } from '../../../src/mqtt/client-access.js';
import { type Authority, type Certificate, makeAuthority } from '../../mqtt/support/certificates.js';

/** Lets everyone in, as open mode or with logins required, and writes down what they showed. */
export class RecordingAccess extends ClientAccess {
  readonly logins: ClientLogin[] = [];

  constructor(override readonly required: boolean) {
    super();
  }

  override async logIn(login: ClientLogin): Promise<AdmittedClient> {
    this.logins.push(login);
    return { principal: ANYONE, credentialId: null, expiresAt: null };
  }

  override async isDevice(): Promise<boolean> {
    return false;
  }

  override onRevoked(): () => void {
    return () => {};
  }

  override onDevice(): () => void {
    return () => {};
  }
}

/** A directory with an authority, and the pair of files from which a listener serves. */
export interface Files {
  readonly directory: string;
  readonly authority: Authority;
  readonly served: Certificate;
  issueServer(name: string): Certificate;
  /** Puts a file in the place of another one, whole or not at all. */
  swap(from: string, to: string): void;
  remove(): void;
}

const NAMES = 'IP:127.0.0.1,IP:::1,DNS:localhost';

export function makeFiles(): Files {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-tls-'));
  const authority = makeAuthority(directory, 'ours');
  const served = { cert: join(directory, 'served.pem'), key: join(directory, 'served.key') };
  const first = authority.issue('first', NAMES);
  copyFileSync(first.cert, served.cert);
  copyFileSync(first.key, served.key);
  return {
    directory,
    authority,
    served,
    issueServer: (name) => authority.issue(name, NAMES),
    swap: (from, to) => {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
