import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith, services } from '../support/services.js';

const SKETCH = resolve('examples/esp32/signalbox-device');
const TESTS = resolve('test/examples/esp32');
const STRICT = ['-std=gnu++17', '-Wall', '-Wextra', '-Werror', '-I', SKETCH];

/** No ESP32 and no toolchain for one is here: what does not depend on either is compiled for this machine. */
describeWith(['gxx'], 'the ESP32 example', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-esp32-'));
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function run(program: string, args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 120_000 });
    return { status, output: stdout + stderr };
  }

  it('decides by the rules for devices: repeats, the 33rd id, a ttl over the wrap-around of millis(), refusals, cancels', () => {
    const program = join(directory, 'command_memory_test');
    const sanitizers = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const source = join(TESTS, 'command_memory_test.cpp');
    const compiled = run(services.gxx!, [...STRICT, ...sanitizers, source, '-o', program]);
    expect(compiled).toEqual({ status: 0, output: '' });
    expect(run(program, [])).toEqual({ status: 0, output: '' });
  });

  it('is a sketch that a compiler accepts without a warning, as far as stubs of its libraries can tell', () => {
    const sketch = join(SKETCH, 'signalbox-device.ino');
    const stubs = ['-I', join(TESTS, 'stubs')];
    const checked = run(services.gxx!, [...STRICT, ...stubs, '-fsyntax-only', '-x', 'c++', sketch]);
    expect(checked).toEqual({ status: 0, output: '' });
  });
});
