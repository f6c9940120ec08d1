import { afterEach, describe, expect, it } from '@jest/globals';
import { describeWith, freePort, startMosquitto } from '../support/services.js';
import { SimulatorRun } from '../support/simulator.js';

afterEach(() => SimulatorRun.endAll());

describeWith(['mosquitto'], 'signalbox simulate beside a broker that wants a password', () => {
  it('says that it was refused, at once, and exits with 1', async () => {
    const broker = await startMosquitto({ config: 'allow_anonymous false' });
    const run = new SimulatorRun('--url', broker.url.replace('mqtt://', 'mqtt://someone:secret@'));
    expect(await run.code()).toBe(1);
    expect(run.err).toMatch(/refused the devices: .*Not authorized/i);
    expect(run.out + run.err).not.toContain('secret');
    await broker.stop();
  });
});

describe('signalbox simulate without a broker', () => {
  it('says what to do and exits with 69 when nothing listens within --connect-timeout', async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const run = new SimulatorRun('--url', url, '--connect-timeout', '1', '--json');
    expect(await run.code()).toBe(69);
    expect(run.err).toMatch(/Is Signalbox running\? Start it with: npm start/);
    expect(run.err).toContain(url);
    expect(JSON.parse(run.out)).toMatchObject({ sent: 0, acknowledged: 0, connects: 0 });
  });

  it('exits with 69 when the duration ends first', async () => {
    const run = new SimulatorRun('--url', `mqtt://127.0.0.1:${await freePort()}`, '--duration', '1');
    expect(await run.code()).toBe(69);
  });

  it.each([
    [['--devices', '0'], /--devices.*whole number from 1 to 10000/],
    [['--rate', '1e9'], /--rate.*number from 0/],
    [['--duration', '-1'], /--duration/],
    [['--url', 'http://127.0.0.1'], /--url.*mqtt:\/\//],
    [['--prefix', 'a/b/c'], /--prefix.*two levels/],
    [['--prefix', 'a/#'], /--prefix.*wildcard/],
    [['--qos', '3'], /--qos/],
    [['--fault-rate', '2'], /--fault-rate/],
    [['--seed', 'x'], /--seed/],
    [['--colour', 'red'], /unknown option/],
    [['extra'], /too many arguments/],
  ])('refuses %j with exit code 2 and names what is wrong', async (args, message) => {
    const run = new SimulatorRun(...args);
    expect(await run.code()).toBe(2);
    expect(run.err).toMatch(message);
    expect(run.out).toBe('');
  });

  it('explains itself with --help, exit code 0', async () => {
    const run = new SimulatorRun('--help');
    expect(await run.code()).toBe(0);
    for (const option of ['--devices', '--rate', '--duration', '--url', '--foreign', '--json']) {
      expect(run.out).toContain(option);
    }
  });
});
