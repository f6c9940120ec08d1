import { Command, Option } from 'commander';
import { duration, keyed } from './option-values.js';
import { loginHeaders, type ServiceFlags, withService } from './service/service-options.js';

interface DeviceFlags extends ServiceFlags {
  readonly json: boolean;
}

interface CreateFlags extends DeviceFlags {
  readonly name?: string;
  readonly type?: string;
  readonly tag?: Readonly<Record<string, string>>;
}

interface ListFlags extends CreateFlags {
  readonly q?: string;
  readonly presence?: string;
}

interface RotateFlags extends DeviceFlags {
  readonly overlap: number;
}

const DAY_MS = 86_400_000;

/** `signalbox device`: the registry, over the REST API of a running service. Exit codes: 0 done, 1 refused, 2 a wrong option, 69 no answer. */
export function deviceCommand(): Command {
  return new Command('device')
    .description('register and list devices, and rotate their credentials')
    .exitOverride()
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(rotateCommand());
}

function createCommand(): Command {
  const command = new Command('create')
    .description('Registers a device and prints its credential, once.')
    .argument('<id>', 'its device id, which is its user name and client id too')
    .option('--name <name>', 'what people call it')
    .option('--type <type>', 'what it is')
    .option('--tag <key:value>', 'a tag; may be repeated', keyed)
    .option('--json', 'print the whole answer', false)
    .exitOverride();
  return withService(command).action(async (id: string, flags: CreateFlags) => {
    const { name, type, tag: tags, url, json } = flags;
    const device = {
      id,
      ...(name !== undefined && { name }),
      ...(type !== undefined && { type }),
      ...(tags && { tags }),
    };
    const { createDevice } = await import('./service/devices.js');
    process.exitCode = await createDevice(await connect(flags), url, device, json);
  });
}

function listCommand(): Command {
  const command = new Command('list')
    .description('Lists the devices, the newest first.')
    .option('--q <text>', 'whose id or name holds this')
    .option('--type <type>', 'of this type')
    .option('--tag <key:value>', 'with this tag; may be repeated', keyed)
    .addOption(new Option('--presence <state>', 'that are').choices(['online', 'offline', 'stale', 'never', 'unknown']))
    .option('--json', 'print one JSON object a line', false)
    .exitOverride();
  return withService(command).action(async (flags: ListFlags) => {
    const { q, type, presence, tag = {} } = flags;
    const query = new URLSearchParams({
      ...(q !== undefined && { q }),
      ...(type !== undefined && { type }),
      ...(presence !== undefined && { presence }),
    });
    for (const [key, value] of Object.entries(tag)) query.append('tag', `${key}:${value}`);
    const { listDevices } = await import('./service/devices.js');
    process.exitCode = await listDevices(await connect(flags), flags.url, query, flags.json);
  });
}

function rotateCommand(): Command {
  const command = new Command('rotate')
    .description('Gives a device a new credential and prints it, once; the old one stays valid for the overlap.')
    .argument('<id>', 'the device')
    .addOption(
      new Option('--overlap <duration>', 'how long the old credential stays valid')
        .argParser(duration)
        .default(DAY_MS, '24h'),
    )
    .option('--json', 'print the whole answer', false)
    .exitOverride();
  return withService(command).action(async (id: string, flags: RotateFlags) => {
    const { rotateCredential } = await import('./service/devices.js');
    const overlapSeconds = Math.floor(flags.overlap / 1_000);
    process.exitCode = await rotateCredential(await connect(flags), flags.url, id, overlapSeconds, flags.json);
  });
}

async function connect(flags: ServiceFlags) {
  const { Service } = await import('./service/service.js');
  return new Service(flags.url, loginHeaders(flags));
}
