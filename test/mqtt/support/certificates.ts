import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate and its key, as paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly ca: string;
  /** A certificate that this authority signed. `names` go into the subjectAltName, such as `IP:127.0.0.1`. */
  issue(commonName: string, names?: string): Certificate;
}

/** Makes a certificate authority in `directory` with the `openssl` of this machine. */
export function makeAuthority(directory: string, name: string): Authority {
  const path = (file: string): string => join(directory, `${name}-${file}`);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = path('ca.pem');
  openssl('req', '-x509', ...curve, '-keyout', path('ca.key'), '-out', ca, '-subj', `/CN=${name}`, '-days', '2');
  return {
    ca,
    issue: (commonName, names) => {
      const certificate = { cert: path(`${commonName}.pem`), key: path(`${commonName}.key`) };
      const request = path(`${commonName}.csr`);
      const extensions = path(`${commonName}.ext`);
      writeFileSync(extensions, names === undefined ? '' : `subjectAltName=${names}\n`);
      openssl('req', ...curve, '-keyout', certificate.key, '-out', request, '-subj', `/CN=${commonName}`);
      const signer = ['-CA', ca, '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2'];
      openssl('x509', '-req', '-in', request, ...signer, '-extfile', extensions, '-out', certificate.cert);
      return certificate;
    },
  };
}
