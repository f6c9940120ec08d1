import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { drawProfile, valuesAt } from './curve.js';
import type { CurveProfile, CurveValues } from './curve.js';
import { seededRandom } from './random.js';

const MINUTE = 60_000;
const DAY = 86_400_000;
const NOON = Date.UTC(2026, 6, 14, 12);

function series(seed: number, count: number, step: number): CurveValues[] {
  const profile = drawProfile(seededRandom(seed, 0));
  const noise = seededRandom(seed, 1);
  return Array.from({ length: count }, (_, i) => valuesAt(profile, NOON + i * step, noise, false));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const spread = (values: readonly number[], m: number) => Math.sqrt(mean(values.map((value) => (value - m) ** 2)));
  return mean(a.map((value, i) => (value - meanA) * (b[i]! - meanB))) / (spread(a, meanA) * spread(b, meanB));
}

/** A device without drift and shift, so that hours of the day can be compared. */
const STEADY: CurveProfile = {
  meanTemperature: 20,
  dailySwing: 5,
  drift: 0,
  phase: 0,
  meanHumidity: 50,
  dischargePerDay: 1,
  batteryOffset: 0,
};

describe('the curves of a virtual device', () => {
  it('are the same again for the same seed, and others for another', () => {
    expect(series(7, 50, MINUTE)).toEqual(series(7, 50, MINUTE));
    expect(series(7, 50, MINUTE)).not.toEqual(series(8, 50, MINUTE));
  });

  it('stay within what a room sensor can measure, at any time and for any seed', () => {
    const times = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(fc.nat(), times, fc.boolean(), (seed, time, fan) => {
        const random = seededRandom(seed, 0);
        const values = valuesAt(drawProfile(random), time, random, fan);
        expect(values.temperature).toBeGreaterThan(5);
        expect(values.temperature).toBeLessThan(40);
        expect(values.humidity).toBeGreaterThanOrEqual(1);
        expect(values.humidity).toBeLessThanOrEqual(100);
        expect(values.battery).toBeGreaterThanOrEqual(5);
        expect(values.battery).toBeLessThanOrEqual(100);
        expect(values.pressure ?? 1013).toBeGreaterThan(980);
        expect(values.pressure ?? 1013).toBeLessThan(1040);
      }),
    );
  });

  it('are warmer in the afternoon than before dawn by about twice the daily swing', () => {
    const [dawn, afternoon] = [3, 15].map((hour) => valuesAt(STEADY, Date.UTC(2026, 6, 14, hour), () => 0.5, false));
    expect(afternoon!.temperature - dawn!.temperature).toBeCloseTo(10, 5);
  });

  it('fall in humidity as they rise in temperature', () => {
    const day = series(3, 288, 5 * MINUTE);
    const humidities = day.map(({ humidity }) => humidity);
    const temperatures = day.map(({ temperature }) => temperature);
    expect(correlation(temperatures, humidities)).toBeLessThan(-0.8);
  });

  it('use up the battery, which is changed before it is empty', () => {
    const levels = Array.from({ length: 400 }, (_, day) =>
      valuesAt(STEADY, NOON + day * DAY, seededRandom(1, 1), false),
    ).map(({ battery }) => battery);
    const rises = levels.filter((level, i) => i > 0 && level > levels[i - 1]!);
    expect(rises.length).toBeGreaterThanOrEqual(4);
    for (const level of rises) expect(level).toBeGreaterThan(95);
    expect(Math.min(...levels)).toBeLessThan(7);
  });

  it('have pressure in about one reading of ten', () => {
    const share = series(5, 2_000, MINUTE).filter(({ pressure }) => pressure !== undefined).length / 2_000;
    expect(share).toBeGreaterThan(0.07);
    expect(share).toBeLessThan(0.13);
  });

  it('are cooler while the fan runs', () => {
    const cooled = valuesAt(STEADY, NOON, () => 0.5, true);
    expect(cooled.temperature).toBeLessThan(valuesAt(STEADY, NOON, () => 0.5, false).temperature - 1);
    expect(cooled.fan).toBe(true);
  });
});
