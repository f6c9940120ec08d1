import { describe, expect, it } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { duration, jsonObject, number, wholeNumber } from './option-values.js';

describe('An option that is a duration', () => {
  it.each([
    ['500ms', 500],
    ['60s', 60_000],
    ['30', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['30d', 2_592_000_000],
    ['0', 0],
  ])('of %s has so many milliseconds', (text, ms) => {
    expect(duration(text)).toBe(ms);
  });

  it.each(['', 's', '-1s', '1.5s', '1e3', '60 s', '60S', '1w', 'soon'])('is not "%s"', (text) => {
    expect(() => duration(text)).toThrow(InvalidArgumentError);
  });
});

describe('An option that is a number', () => {
  it('has a range', () => {
    expect([number(0, 1)('0.5'), wholeNumber(1, 10)('10')]).toEqual([0.5, 10]);
    for (const text of ['1.1', '-0.1', '0x1', '', 'NaN']) expect(() => number(0, 1)(text)).toThrow('from 0 to 1');
    for (const text of ['0', '11', '1.5']) expect(() => wholeNumber(1, 10)(text)).toThrow('from 1 to 10');
  });
});

describe('An option that is a JSON object', () => {
  it('is nothing else', () => {
    expect(jsonObject('{"a": [1]}')).toEqual({ a: [1] });
    for (const text of ['', '[]', 'null', '1', '{']) expect(() => jsonObject(text)).toThrow(InvalidArgumentError);
  });
});
