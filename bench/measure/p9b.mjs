import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, repeat, row, verdict } from '../bench.mjs';
import { startCrowd } from '../crowd-process.mjs';
import { startProbe } from '../load/probe.mjs';
import { PASSWORD, registerDevices } from '../target/registry.mjs';
import { newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const DEVICES = 10_000;
const STORM = 5_000;
const MEMORY_TARGET_MIB = 400;
const BACK_TARGET_S = 120;
const LAG_TARGET_MS = 200;
/** V8 gives back what a load has left behind when it has been quiet for a while; how long that takes is its own affair. */
const CALM_MS = 90_000;
const NAME = 'crowd';
const title = '10,000 connected devices';

/**
 * Devices that are registered, logged in and subscribed, and say nothing: what they cost, at once and later, and what it does to the event loop
 * when half of them lose their connection in one moment and come back at once.
 * @type {import('../bench.mjs').Measure}
 */
export const p9b = {
  id: 'P9b',
  title,
  async run(bench) {
    /** @type {{ atOnce: number, rss: number, firstMs: number, backMs: number, tries: number, lag: number, failed: number }[]} */
    const raw = [];
    await repeat(bench.rounds, async (round) => {
      const outcome = await crowdRound(bench);
      raw.push(outcome);
      const { atOnce, rss, firstMs, backMs, tries, lag } = outcome;
      const memory = `${atOnce.toFixed(0)} MiB when all were there, then ${rss.toFixed(0)}`;
      const storm = `${STORM} back in ${(backMs / 1_000).toFixed(1)} s, ${tries} tries, lag ${lag.toFixed(0)} ms`;
      bench.say(`round ${round}: ${memory}, all there in ${(firstMs / 1_000).toFixed(1)} s; ${storm}`);
    });
    const rss = median(raw.map((one) => one.rss));
    const atOnce = median(raw.map((one) => one.atOnce));
    const back = median(raw.map(({ backMs }) => backMs)) / 1_000;
    const lag = median(raw.map((one) => one.lag));
    const rows = [
      row({
        id: 'P9b',
        what: `resident memory, ${title}`,
        measured: `${rss.toFixed(0)} MiB after ${CALM_MS / 1_000} s (at once ${atOnce.toFixed(0)})`,
        figure: `${rss.toFixed(0)} MiB`,
        target: `<= ${MEMORY_TARGET_MIB} MiB`,
        verdict: verdict(rss <= MEMORY_TARGET_MIB),
      }),
      row({
        id: 'P9b',
        what: `${STORM} of them come back at once`,
        measured: `${back.toFixed(1)} s`,
        figure: `${back.toFixed(1)} s`,
        target: `<= ${BACK_TARGET_S} s`,
        verdict: verdict(back <= BACK_TARGET_S),
      }),
      row({
        id: 'P9b',
        what: 'the longest GET /livez meanwhile',
        measured: `${lag.toFixed(0)} ms`,
        figure: `${lag.toFixed(0)} ms`,
        target: `< ${LAG_TARGET_MS} ms`,
        verdict: verdict(lag < LAG_TARGET_MS),
      }),
    ];
    return { rows, raw };
  },
};

async function crowdRound(/** @type {import('../bench.mjs').Bench} */ bench) {
  const dataDirectory = newDataDirectory(bench.directory);
  // Makes the tables.
  const { target: first } = await startSignalbox(dataDirectory);
  await first.stop();
  registerDevices({ dataDirectory, name: NAME, count: DEVICES });
  const { target, mqttPort, httpPort } = await startSignalbox(dataDirectory, { ACCESS: 'required' });
  /** @type {Awaited<ReturnType<typeof startCrowd>> | null} */
  let crowd = null;
  try {
    crowd = await startCrowd({ port: mqttPort, count: DEVICES, name: NAME, password: PASSWORD });
    const { rss: atOnce } = target.memory();
    await sleep(CALM_MS);
    const { rss } = target.memory();
    const endProbe = startProbe(httpPort);
    const { ms, tries } = await crowd.storm(STORM);
    const { worst, failed } = await endProbe();
    await crowd.end();
    await target.stop();
    return { atOnce, rss, firstMs: crowd.first.ms, backMs: ms, tries, lag: worst, failed };
  } finally {
    crowd?.kill();
    target.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}
