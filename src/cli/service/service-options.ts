import { type Command, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';

/** Where the service is, and the key for it where that came from a file. */
export interface ServiceFlags {
  readonly url: string;
  readonly keyFile?: string;
}

const KEY_HELP = `
Where logins are required the key comes from SIGNALBOX_KEY, or from --key-file (such as data/admin.key): a key on the
command line could be read by everybody on this machine.`;

/** Gives a command the options that name a running service. */
export function withService(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'where Signalbox listens')
        .env('SIGNALBOX_URL')
        .default('http://127.0.0.1:3000')
        .argParser(serviceUrl),
    )
    .addOption(
      new Option('--key-file <file>', 'a file that holds the API key').env('SIGNALBOX_KEY_FILE').argParser(keyIn),
    )
    .addHelpText('after', KEY_HELP);
}

/** The headers that log in, or none. */
export function loginHeaders({ keyFile }: Pick<ServiceFlags, 'keyFile'>): Readonly<Record<string, string>> {
  const key = keyFile ?? process.env['SIGNALBOX_KEY']?.trim();
  return key ? { authorization: `Bearer ${key}` } : {};
}

function keyIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError(`It cannot be read (${code ?? String(error)}).`);
  }
}

function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '';
  if (isPlain) return text.replace(/\/+$/, '');
  throw new InvalidArgumentError('It must look like http://127.0.0.1:3000.');
}
