import { stat } from 'node:fs/promises';
import { statSync, type Stats } from 'node:fs';
import type { SecureContextOptions, Server } from 'node:tls';
import { Logger } from '@nestjs/common';
import { type CertificatePaths, type Certificates, readCertificates } from './certificates.js';
import { StartupError } from './startup.error.js';

const LOOK_EVERY_MS = 1_000;

/**
 * The certificates of a TLS listener, read again when their files change, links followed. Where the new files cannot be used, such
 * as between the swap of a certificate and that of its key, what was there stays and the log says why.
 */
export class CertificateFiles {
  private readonly logger = new Logger('Certificates');
  private readonly servers = new Set<Pick<Server, 'setSecureContext'>>();
  private readonly files: readonly string[];
  /** What the files looked like before they were read last: a change while they are read is seen the next time. */
  private seen: string;
  private certificates: Certificates;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  /** `listener` is its name in the log. Throws a StartupError (exit code 78) where the files cannot be used. */
  constructor(
    private readonly paths: CertificatePaths,
    private readonly listener: string,
    private readonly lookEveryMs = LOOK_EVERY_MS,
  ) {
    this.files = [paths.cert, paths.key, ...(paths.ca === null ? [] : [paths.ca])];
    this.seen = this.files.map((path) => mark(statSync(path, { throwIfNoEntry: false }))).join();
    try {
      this.certificates = readCertificates(paths);
    } catch (error) {
      throw new StartupError(
        `The certificates for ${listener} cannot be used: ${(error as Error).message}.`,
        'The certificate, its key and the CA must be PEM files, and the key must belong to the certificate.',
        78,
      );
    }
  }

  /** What a TLS server is made with now. */
  get options(): SecureContextOptions {
    return this.certificates.options;
  }

  /** Gives `server` every new certificate from now on. Connections that are open keep theirs. */
  keepCurrent(server: Pick<Server, 'setSecureContext'>): void {
    this.servers.add(server);
    if (this.timer === null && !this.stopped) this.lookLater();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
  }

  private lookLater(): void {
    this.timer = setTimeout(() => void this.look(), this.lookEveryMs).unref();
  }

  private async look(): Promise<void> {
    const marks = await Promise.all(this.files.map(async (path) => mark(await stat(path).catch(() => undefined))));
    if (this.stopped) return;
    const now = marks.join();
    if (now !== this.seen) {
      this.seen = now;
      this.reload();
    }
    this.lookLater();
  }

  private reload(): void {
    try {
      this.certificates = readCertificates(this.paths);
      for (const server of this.servers) server.setSecureContext(this.certificates.options);
    } catch (error) {
      const detail = (error as Error).message;
      this.logger.warn({ msg: 'new certificates cannot be used, the old ones stay', listener: this.listener, detail });
      return;
    }
    const validTo = this.certificates.validTo.toISOString();
    this.logger.log({ msg: 'certificates read again', listener: this.listener, validTo });
  }
}

function mark(stats: Stats | undefined): string {
  return stats ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}` : 'none';
}
