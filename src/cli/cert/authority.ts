import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
/** What the strictest systems accept of a server certificate under an authority of one's own. */
const CERTIFICATE_DAYS = 825;
/** For clocks that are behind. */
const BACKDATED_MS = 3_600_000;

/** A certificate and its private key (PKCS #8), both as PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for development: ECDSA on P-256, valid for ten years. */
export class Authority {
  private constructor(
    private readonly certificate: X509Certificate,
    private readonly key: webcrypto.CryptoKey,
  ) {}

  /** Makes a new one, and what is to be kept of it. */
  static async create(): Promise<{ readonly authority: Authority; readonly issued: Issued }> {
    cryptoProvider.set(webcrypto);
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      // Several may be on one machine: they must not be taken for each other.
      name: nameOf(`Signalbox development CA ${randomBytes(4).toString('hex')}`),
      ...validFor(AUTHORITY_DAYS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const issued = { cert: certificateText(certificate), key: await keyText(keys.privateKey) };
    return { authority: new Authority(certificate, keys.privateKey), issued };
  }

  /** The one that was kept. Throws an Error where it cannot sign. */
  static async from({ cert, key }: Issued): Promise<Authority> {
    cryptoProvider.set(webcrypto);
    const bytes = PemConverter.decodeFirst(key);
    const privateKey = await webcrypto.subtle.importKey('pkcs8', bytes, ALGORITHM, false, ['sign']);
    return new Authority(new X509Certificate(cert), privateKey);
  }

  /** A server certificate for these host names and IP addresses. */
  issueServer(hosts: readonly string[]): Promise<Issued> {
    const names = hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host }));
    return this.issue(hosts[0]!, ExtendedKeyUsage.serverAuth, [new SubjectAlternativeNameExtension(names)]);
  }

  /** A client certificate whose CN is the device id. */
  issueDevice(deviceId: string): Promise<Issued> {
    return this.issue(deviceId, ExtendedKeyUsage.clientAuth, []);
  }

  private async issue(commonName: string, usage: ExtendedKeyUsage, more: readonly Extension[]): Promise<Issued> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject: nameOf(commonName),
      issuer: this.certificate.subjectName.toJSON(),
      ...validFor(CERTIFICATE_DAYS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: this.key,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([usage]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        await AuthorityKeyIdentifierExtension.create(this.certificate),
        ...more,
      ],
    });
    return { cert: certificateText(certificate), key: await keyText(keys.privateKey) };
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** 16 random bytes, positive (RFC 5280, 4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function nameOf(commonName: string): ReturnType<Name['toJSON']> {
  return [{ CN: [commonName] }];
}

function validFor(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + days * DAY_MS) };
}

function certificateText(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}
