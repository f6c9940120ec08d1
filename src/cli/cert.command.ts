import { Command, InvalidArgumentError } from 'commander';
import { isIP } from 'node:net';
import { isDeviceId } from '../common/ids.js';

/** The options of `signalbox cert dev` as commander reads them. */
interface DevFlags {
  readonly out?: string;
  readonly host: readonly string[];
  readonly device: readonly string[];
  readonly force: boolean;
}

const HOST_NAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const EXAMPLES = `
Examples:
  signalbox cert dev
  signalbox cert dev --host signalbox.lan --host 192.168.1.5
  signalbox cert dev --device pump-1 --device pump-2`;

/** `signalbox cert`: certificates for development. */
export function certCommand(): Command {
  return new Command('cert').description('make certificates for development').exitOverride().addCommand(devCommand());
}

/**
 * `signalbox cert dev`. Sets the exit code: 0 done, 1 a file is there already or cannot be written, 78 a wrong DATA_DIR; a wrong
 * option throws a CommanderError, which is code 2 for the program.
 */
function devCommand(): Command {
  return new Command('dev')
    .description('Makes a development CA, a server certificate for localhost, and certificates of devices.')
    .option('--out <directory>', 'where to (default: certs in DATA_DIR)')
    .option('--host <name>', 'another name or address of the server; may be repeated', hosts, [])
    .option('--device <id>', 'a client certificate for this device; may be repeated', devices, [])
    .option('--force', 'replace certificates that are there; never the CA', false)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .action(async ({ out, host, device, force }: DevFlags) => {
      // Loaded here, so that other commands do not pay for it.
      await import('reflect-metadata');
      const { exitOnFailure } = await import('../app.process.js');
      const { makeDevelopmentCertificates } = await import('./cert/dev.js');
      const { StartupError } = await import('../common/startup.error.js');
      const making = makeDevelopmentCertificates({ out: out ?? null, hosts: host, devices: device, force });
      try {
        process.stdout.write(await making);
      } catch (error) {
        if (!(error instanceof StartupError)) return exitOnFailure(making);
        process.stderr.write(`${error.message}\n${error.hint}\n`);
        process.exitCode = error.exitCode;
      }
    });
}

function hosts(text: string, before: readonly string[]): readonly string[] {
  if (isIP(text) !== 0 || (text.length <= 253 && HOST_NAME.test(text))) return [...before, text];
  throw new InvalidArgumentError('It must be a host name or an IP address.');
}

function devices(text: string, before: readonly string[]): readonly string[] {
  if (isDeviceId(text)) return [...before, text];
  throw new InvalidArgumentError('It must be a device id.');
}
