import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The PEM files of a TLS listener; `ca` is what client certificates are checked against, null where none are asked for. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

/** What a TLS listener serves with, and until when its certificate is valid. */
export interface Certificates {
  readonly options: SecureContextOptions;
  readonly validTo: Date;
}

/** The certificates of a PEM file in their order, at least one. Throws an Error that says what the file must be, and not where it is. */
export function certificatesIn(path: string): readonly X509Certificate[] {
  const blocks = read(path).match(CERTIFICATE) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // The sentence below says it.
  }
  throw new Error('must be a PEM file with a certificate (-----BEGIN CERTIFICATE-----)');
}

/** The private key of a PEM file. Throws an Error likewise, for an encrypted one too. */
export function privateKeyIn(path: string): KeyObject {
  const text = read(path);
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new Error('must be a PEM file with a private key that is not encrypted', { cause: error });
  }
}

/** True where the key is that of the first certificate. */
export function belongTogether([certificate]: readonly X509Certificate[], key: KeyObject): boolean {
  return certificate!.checkPrivateKey(key);
}

/** When a certificate may be used. */
export function validityOf(certificate: X509Certificate): { readonly from: Date; readonly to: Date } {
  return { from: new Date(certificate.validFrom), to: new Date(certificate.validTo) };
}

/** Reads the files of a listener. Throws an Error where they cannot be used together, so that a listener never has half of a pair. */
export function readCertificates({ cert, key, ca }: CertificatePaths): Certificates {
  const chain = named('the certificate', () => certificatesIn(cert));
  const privateKey = named('the key', () => privateKeyIn(key));
  const authorities = ca === null ? null : named('the CA', () => certificatesIn(ca));
  if (!belongTogether(chain, privateKey)) throw new Error('the key does not belong to the certificate');
  const options: SecureContextOptions = {
    cert: chain.map(String).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ...(authorities ? { ca: authorities.map(String) } : {}),
    minVersion: 'TLSv1.2',
  };
  // What OpenSSL does not take, such as a key that is too short.
  named('TLS', () => createSecureContext(options));
  return { options, validTo: validityOf(chain[0]!).to };
}

/** True for the codes of errors that a TLS handshake ends with. */
export function isTlsError(code: string | undefined): boolean {
  return code !== undefined && /^ERR_(SSL|TLS)_/.test(code);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`must be a PEM file that can be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

function named<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
