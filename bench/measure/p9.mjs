import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, perSecond, repeat, row, slope, verdict } from '../bench.mjs';
import { signalboxRound } from '../round.mjs';
import { newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const IDLE_TARGET_MIB = 150;
const SETTLE_MS = 5_000;
/** Flat: the last quarter of the run holds at most so much more than the second (the first is for warming up). */
const FLAT = 1.1;
const title = 'resident memory';

/**
 * Memory five seconds after it is ready, and every second at full rate.
 * @type {import('../bench.mjs').Measure}
 */
export const p9 = {
  id: 'P9',
  title,
  async run(bench) {
    const idle = await idleMemory(bench);
    const sustained = await sustainedMemory(bench);
    const idleMiB = median(idle.map(({ rss }) => rss));
    const pss = median(idle.map((sample) => sample.pss));
    const { samples, result } = sustained;
    const quarter = Math.floor(samples.length / 4);
    const second = median(samples.slice(quarter, 2 * quarter));
    const last = median(samples.slice(-quarter));
    const perMinute = slope(samples.slice(quarter)) * 60;
    const rows = [
      row({
        id: 'P9',
        what: `${title}, idle`,
        measured: `${idleMiB.toFixed(0)} MiB (${pss.toFixed(0)} proportional)`,
        figure: `${idleMiB.toFixed(0)} MiB`,
        target: `<= ${IDLE_TARGET_MIB} MiB`,
        verdict: verdict(idleMiB <= IDLE_TARGET_MIB),
      }),
      row({
        id: 'P9',
        what: `${title}, ${bench.sustained} s at full rate`,
        measured: `${last.toFixed(0)} MiB, most ${Math.max(...samples).toFixed(0)}, at ${perSecond(result.perSecond)}`,
        against: `second quarter ${second.toFixed(0)} MiB`,
        figure: `x ${(last / second).toFixed(2)}, ${perMinute >= 0 ? '+' : ''}${perMinute.toFixed(1)} MiB/min`,
        target: `flat (<= x ${FLAT})`,
        verdict: verdict(last <= second * FLAT),
      }),
    ];
    return { rows, raw: { idle, sustained } };
  },
};

async function idleMemory(/** @type {import('../bench.mjs').Bench} */ bench) {
  /** @type {{ rss: number, pss: number }[]} */
  const samples = [];
  await repeat(bench.rounds, async (round) => {
    const dataDirectory = newDataDirectory(bench.directory);
    const { target } = await startSignalbox(dataDirectory);
    try {
      await sleep(SETTLE_MS);
      const memory = target.memory();
      samples.push(memory);
      bench.say(`idle, round ${round}: ${memory.rss.toFixed(1)} MiB`);
      await target.stop();
    } finally {
      target.kill();
      rmSync(dataDirectory, { recursive: true, force: true });
    }
  });
  return samples;
}

async function sustainedMemory(/** @type {import('../bench.mjs').Bench} */ bench) {
  /** @type {number[]} */
  const samples = [];
  const load = { seconds: bench.sustained, warmup: bench.warmup };
  const result = await signalboxRound(bench, load, async (target) => {
    for (let second = 0; second < bench.sustained; second += 1) {
      await sleep(1_000);
      samples.push(target.memory().rss);
    }
  });
  return { samples, result };
}
