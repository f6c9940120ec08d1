import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const EVIL = 'a\r\n{"level":60,"msg":"forged"}\u001b[2J\u009b1m';

/** The lines that a process prints which logs with our logger. */
function printed(format: 'json' | 'pretty', call: string): string[] {
  const script = `import { PinoLogger } from ${JSON.stringify(resolve('dist/common/pino.logger.js'))};
    const evil = ${JSON.stringify(EVIL)}; const logger = new PinoLogger('info', '${format}'); ${call}`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

describe('A log line', () => {
  it.each([
    ['json', "logger.warn({ msg: 'refused', client: evil })"],
    ['json', "logger.warn('refused ' + evil)"],
    ['json', 'logger.error(new Error(evil))'],
    ['pretty', "logger.warn({ msg: 'refused', client: evil })"],
    ['pretty', "logger.warn('refused ' + evil)"],
  ] as const)('(%s) %s stays one line, whatever a client sent', (format, call) => {
    const lines = printed(format, call);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('forged');
    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});
