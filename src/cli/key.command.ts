import { Command } from 'commander';
import { keyed, lifetime } from './option-values.js';
import { loginHeaders, type ServiceFlags, withService } from './service/service-options.js';

interface KeyFlags extends ServiceFlags {
  readonly json: boolean;
}

interface CreateFlags extends KeyFlags {
  readonly scope: readonly string[];
  readonly tag?: Readonly<Record<string, string>>;
  readonly expires?: string;
}

const more = (scope: string, before: readonly string[] = []): readonly string[] => [...before, scope];

/** `signalbox key`: API keys, over the REST API of a running service. Exit codes: 0 done, 1 refused, 2 a wrong option, 69 no answer. */
export function keyCommand(): Command {
  return new Command('key')
    .description('make, list and revoke API keys')
    .exitOverride()
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

function createCommand(): Command {
  const command = new Command('create')
    .description('Makes an API key and prints it, once.')
    .argument('<name>', 'what it is for')
    .requiredOption('--scope <scope>', 'what it may do, such as devices:read; may be repeated', more)
    .option('--tag <key:value>', 'limit it to devices with this tag; may be repeated', keyed)
    .option('--expires <when>', 'after such as 90d, or at a time in RFC 3339', lifetime)
    .option('--json', 'print the whole answer', false)
    .exitOverride();
  return withService(command).action(async (name: string, flags: CreateFlags) => {
    const { scope: scopes, tag: tags = null, expires: expiresAt = null, url, json } = flags;
    const { createKey } = await import('./service/keys.js');
    process.exitCode = await createKey(await connect(flags), url, { name, scopes, tags, expiresAt }, json);
  });
}

function listCommand(): Command {
  const command = new Command('list')
    .description('Lists the API keys, without their secrets.')
    .option('--json', 'print one JSON object a line', false)
    .exitOverride();
  return withService(command).action(async (flags: KeyFlags) => {
    const { listKeys } = await import('./service/keys.js');
    process.exitCode = await listKeys(await connect(flags), flags.url, flags.json);
  });
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('Revokes an API key; whoever uses it is out at once.')
    .argument('<id>', 'the 16 characters after sbx_')
    .exitOverride();
  return withService(command).action(async (id: string, flags: ServiceFlags) => {
    const { revokeKey } = await import('./service/keys.js');
    process.exitCode = await revokeKey(await connect(flags), flags.url, id);
  });
}

async function connect(flags: ServiceFlags) {
  const { Service } = await import('./service/service.js');
  return new Service(flags.url, loginHeaders(flags));
}
