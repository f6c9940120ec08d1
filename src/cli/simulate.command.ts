import { Command, InvalidArgumentError } from 'commander';
import { topicProblem } from '../common/topic.js';
import { number, wholeNumber } from './option-values.js';
import type { SimulateOptions } from './simulate/options.js';

/**
 * `signalbox simulate`: virtual devices against a running service. Sets the exit code: 0 done, 1 failed, 69 when the service
 * was never reached; a wrong option throws a CommanderError, which is code 2 for the program.
 */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('Runs virtual devices that publish readings and answer commands.')
    .option('--devices <n>', 'how many devices', wholeNumber(1, 10_000), 10)
    .option('--rate <r>', 'readings per second of each device', number(0, 1_000), 0.2)
    .option('--duration <seconds>', 'how long; 0 = until Ctrl-C', number(0, 31_536_000), 0)
    .option('--url <url>', 'where the MQTT broker listens', brokerUrl, 'mqtt://127.0.0.1:1883')
    .option('--prefix <prefix>', 'TOPIC_PREFIX of the service', prefix, 'devices')
    .option('--qos <level>', 'quality of service of the readings: 0, 1 or 2', wholeNumber(0, 2), 1)
    .option('--fault-rate <p>', 'share of measurements that go wrong on purpose, 0 to 1', number(0, 1), 0.01)
    .option('--seed <n>', 'repeat the curves and faults of an earlier run', wholeNumber(0, 2 ** 32 - 1))
    .option('--foreign', 'be devices that know only poc/{deviceId}/sensor and poc/{deviceId}/control', false)
    .option('--connect-timeout <seconds>', 'give up when nothing answers for so long', number(1, 86_400), 30)
    .option('--json', 'print the summary as one JSON object, progress on standard error', false)
    .exitOverride()
    .action(async (options: Omit<SimulateOptions, 'seed'> & { readonly seed?: number }) => {
      // Loaded here, so that other commands do not pay for an MQTT client.
      const { runSimulation } = await import('./simulate/run.js');
      process.exitCode = await runSimulation({ ...options, seed: options.seed ?? Math.floor(Math.random() * 2 ** 32) });
    });
}

function brokerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^(mqtts?|wss?):$/.test(url.protocol) && url.hostname !== '') return text;
  throw new InvalidArgumentError('It must look like mqtt://127.0.0.1:1883 (also mqtts, ws, wss).');
}

function prefix(text: string): string {
  const problem = topicProblem(text) ?? (text.split('/').length > 2 ? 'it has more than two levels' : null);
  if (problem === null) return text;
  throw new InvalidArgumentError(`It cannot be a topic prefix: ${problem}.`);
}
