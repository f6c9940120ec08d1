import type { TlsOptions, TLSSocket } from 'node:tls';
import type { CertificateFiles } from '../../common/certificate-files.js';

/** What a client has shown: the CN of a certificate that was verified, or what is wrong with it. Both null: it has shown none. */
export interface ShownCertificate {
  readonly name: string | null;
  readonly problem: string | null;
}

/** Asks for a certificate where there is a CA to check it against. A client without one is let in: it may have a password. */
export function certificateOptions({ options }: CertificateFiles): TlsOptions {
  return { requestCert: options.ca !== undefined, rejectUnauthorized: false };
}

/** Judges the client at the other end of a TLS connection. */
export function shownCertificate(socket: TLSSocket): ShownCertificate {
  const certificate = socket.getPeerX509Certificate();
  // In a session that is resumed, one without a certificate counts as authorized.
  if (!certificate) return { name: null, problem: null };
  if (!socket.authorized) return { name: null, problem: String(socket.authorizationError) };
  const { CN: name } = certificate.toLegacyObject().subject as { readonly CN?: string | readonly string[] };
  return typeof name === 'string' ? { name, problem: null } : { name: null, problem: 'it has not exactly one CN' };
}
