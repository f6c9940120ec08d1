import { between } from './random.js';
import type { Random } from './random.js';

const DAY = 86_400_000;
/** The slow swings of weather and of a sensor that drifts, in milliseconds. */
const DRIFT_PERIOD = 9.3 * DAY;
const WEATHER_PERIOD = 4.1 * DAY;
/** Degrees that a running fan takes off. */
const FAN_COOLING = 1.5;
/** Per cent of relative humidity lost with each degree. */
const HUMIDITY_PER_DEGREE = 2.2;
/** At this many per cent somebody changes the battery. */
const BATTERY_CHANGED_AT = 5;
const PRESSURE_SHARE = 0.1;

/** What makes one device's readings its own; temperatures in degrees Celsius, humidity and battery in per cent. */
export interface CurveProfile {
  readonly meanTemperature: number;
  readonly dailySwing: number;
  readonly drift: number;
  /** Shift of all waves, in milliseconds. */
  readonly phase: number;
  readonly meanHumidity: number;
  readonly dischargePerDay: number;
  readonly batteryOffset: number;
}

/** One measurement; pressure (hPa) is only there now and then, as with a barometer that wakes up rarely. */
export interface CurveValues {
  readonly temperature: number;
  readonly humidity: number;
  readonly battery: number;
  readonly pressure?: number;
  readonly fan: boolean;
}

/** Draws the profile of a device. */
export function drawProfile(random: Random): CurveProfile {
  return {
    meanTemperature: between(random, 17, 25),
    dailySwing: between(random, 2, 6),
    drift: between(random, 0.2, 1),
    phase: between(random, -DAY / 24, DAY / 24),
    meanHumidity: between(random, 40, 60),
    dischargePerDay: between(random, 0.3, 3),
    batteryOffset: between(random, 0, 100),
  };
}

/**
 * What a device with `profile` measures at `epochMs`: a daily wave that is highest at 15:00 UTC, slow drift and noise, and
 * humidity that falls as the temperature rises. The same arguments and numbers give the same values.
 */
export function valuesAt(profile: CurveProfile, epochMs: number, random: Random, fan: boolean): CurveValues {
  const time = epochMs + profile.phase;
  const warmth =
    profile.dailySwing * Math.cos(turns((time - 0.625 * DAY) / DAY)) +
    profile.drift * Math.sin(turns(time / DRIFT_PERIOD)) -
    (fan ? FAN_COOLING : 0) +
    noise(random, 0.15);
  const humidity = profile.meanHumidity - HUMIDITY_PER_DEGREE * warmth + noise(random, 0.6);
  const used = ((time / DAY) * profile.dischargePerDay + profile.batteryOffset) % (100 - BATTERY_CHANGED_AT);
  const values = {
    temperature: round(profile.meanTemperature + warmth, 2),
    humidity: round(Math.min(100, Math.max(1, humidity)), 1),
    battery: round(100 - used, 2),
    fan,
  };
  if (random() >= PRESSURE_SHARE) return values;
  return { ...values, pressure: round(1013 + 12 * Math.sin(turns(time / WEATHER_PERIOD)) + noise(random, 0.2), 1) };
}

function turns(count: number): number {
  return 2 * Math.PI * count;
}

/** Close to normal, of deviation `sigma` and never beyond 3.5 of it: four uniform draws have a deviation of 1/sqrt(3). */
function noise(random: Random, sigma: number): number {
  return (random() + random() + random() + random() - 2) * Math.sqrt(3) * sigma;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
