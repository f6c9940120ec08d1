import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Authority, Certificate } from '../../mqtt/support/certificates.js';

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

/** A certificate of this authority that may be used by servers only. */
export function makeServerOnly(directory: string, authority: Authority, commonName: string): Certificate {
  const path = (end: string): string => join(directory, `server-only-${end}`);
  const made = { cert: path('cert.pem'), key: path('cert.key') };
  writeFileSync(path('ext'), 'extendedKeyUsage=serverAuth\n');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', ...curve, '-keyout', made.key, '-out', path('csr'), '-subj', `/CN=${commonName}`);
  const signer = ['-CA', authority.ca, '-CAkey', authority.ca.replace(/pem$/, 'key'), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', path('csr'), ...signer, '-extfile', path('ext'), '-out', made.cert);
  return made;
}
