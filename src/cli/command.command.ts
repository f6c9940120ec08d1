import { Command, InvalidArgumentError, Option } from 'commander';
import { duration, jsonObject, wholeNumber } from './option-values.js';
import { loginHeaders, withService } from './service/service-options.js';

/** The options of `signalbox command send` as commander reads them. */
interface SendFlags {
  readonly device: readonly string[];
  readonly devicesFrom?: string;
  readonly params?: object;
  readonly ttl?: number;
  readonly resultTimeout?: number;
  readonly mode?: string;
  readonly offline?: string;
  readonly maxAttempts?: number;
  readonly order?: string;
  readonly coalesceKey?: string;
  readonly metadata?: object;
  readonly wait?: number | true;
  readonly url: string;
  readonly keyFile?: string;
  readonly parallel: number;
  readonly retryFor: number;
  readonly json: boolean;
}

const DEFAULT_WAIT_MS = 30_000;
const EXAMPLES = `
Examples:
  signalbox command send pump-1 TURN_ON --params '{"speed": 3}' --wait
  signalbox command send REBOOT --device pump-1 --device pump-2 --wait 60s
  signalbox command send REBOOT --devices-from pumps.txt --ttl 1h --json`;

/** `signalbox command`: commands to devices, over the REST API of a running service. */
export function commandCommand(): Command {
  return new Command('command').description('send commands to devices').exitOverride().addCommand(sendCommand());
}

/**
 * `signalbox command send`. Sets the exit code: 0 all succeeded, or were accepted where no end is waited for; 1 some did not; 69
 * the service never answered; a wrong option throws a CommanderError, which is code 2 for the program.
 */
function sendCommand(): Command {
  const more = (id: string, before: readonly string[]): readonly string[] => [...before, id];
  const command = new Command('send')
    .description('Sends a command to one device or several.')
    .usage('<deviceId> <type> [options]\n       signalbox command send <type> --device <id> ... [options]')
    .argument('<words...>', 'the device and the type of the command, or the type alone')
    .option('--device <id>', 'a device; may be repeated', more, [])
    .option('--devices-from <file>', 'a file with one device a line; - = standard input')
    .option('--params <json>', 'an object', jsonObject)
    .option('--ttl <duration>', 'how long the device may take to accept it (default: 60s)', duration)
    .option('--result-timeout <duration>', 'how long it may take to do it then (default: 30s)', duration)
    .addOption(new Option('--mode <mode>', 'what ends it (default: result)').choices(['result', 'ack', 'none']))
    .addOption(new Option('--offline <what>', 'where the device is away (default: queue)').choices(['queue', 'fail']))
    .option('--max-attempts <n>', 'sends at most (default: 3)', wholeNumber(1, 10))
    .addOption(new Option('--order <order>', 'beside others (default: parallel)').choices(['parallel', 'fifo']))
    .option('--coalesce-key <key>', 'takes the place of older ones with this key')
    .option('--metadata <json>', 'an object that is kept with it and not sent', jsonObject)
    .option(
      '--wait [duration]',
      'wait for the end, for 30s if not given; write it last, or as --wait=60s',
      waitDuration,
    )
    .option('--parallel <n>', 'requests at once', wholeNumber(1, 256), 32)
    .addOption(
      new Option('--retry-for <duration>', 'try for so long where the service is away or busy')
        .argParser(duration)
        .default(30_000, '30s'),
    )
    .option('--json', 'print the summary as one JSON object, progress on standard error', false)
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  return withService(command).action(async (words: readonly string[], flags: SendFlags) => {
    // Loaded here, so that other commands do not pay for it.
    const { sendCommands } = await import('./command/run.js');
    const { checkedDeviceIds, readDeviceIds } = await import('./command/device-list.js');
    const type = words.at(-1)!;
    const named = words.slice(0, -1);
    const isList = flags.device.length > 0 || flags.devicesFrom !== undefined;
    if (named.length > 1 || isList === (named.length === 1)) {
      command.error('error: name a device and a type, or a type and --device or --devices-from', { exitCode: 2 });
    }
    let deviceIds: readonly string[] = [];
    try {
      const listed = flags.devicesFrom === undefined ? [] : readDeviceIds(flags.devicesFrom);
      deviceIds = checkedDeviceIds([...named, ...flags.device, ...listed]);
    } catch (error) {
      command.error(`error: ${(error as Error).message}`, { exitCode: 2 });
    }
    process.exitCode = await sendCommands({
      url: flags.url,
      login: loginHeaders(flags),
      deviceIds,
      body: bodyOf(type, flags),
      waitMs: flags.wait === true ? DEFAULT_WAIT_MS : (flags.wait ?? null),
      parallel: flags.parallel,
      patienceMs: flags.retryFor,
      json: flags.json,
    });
  });
}

/** What was not given is left to the service. */
function bodyOf(type: string, flags: SendFlags): Readonly<Record<string, unknown>> {
  const { params, ttl: ttlMs, resultTimeout: resultTimeoutMs, mode, offline, maxAttempts, order, metadata } = flags;
  const { coalesceKey } = flags;
  return { type, params, ttlMs, resultTimeoutMs, mode, offline, maxAttempts, order, coalesceKey, metadata };
}

function waitDuration(text: string): number {
  try {
    return duration(text);
  } catch {
    throw new InvalidArgumentError('It must be a duration such as 60s; without one write --wait last.');
  }
}
