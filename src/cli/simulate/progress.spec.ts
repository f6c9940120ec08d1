import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Progress } from './progress.js';
import { Tally } from './tally.js';

class Screen {
  text = '';

  constructor(
    readonly isTTY: boolean,
    readonly columns: number,
  ) {}

  write(text: string): void {
    this.text += text;
  }
}

function busy(): Tally {
  const tally = new Tally();
  for (let i = 0; i < 1_000; i++) tally.acknowledge(2);
  tally.sent = 1_234_567;
  tally.online = 998;
  tally.commands.succeeded = 12;
  tally.serviceError('BAD_TIMESTAMP');
  return tally;
}

function shown(screen: Screen, elapsedMs: number): string {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  const progress = new Progress(screen, busy(), 1_000, true);
  jest.advanceTimersByTime(elapsedMs);
  progress.end();
  return screen.text;
}

describe('the progress of a run', () => {
  afterEach(() => void jest.useRealTimers());

  it('is one line on a terminal, written over itself and never wider than the terminal', () => {
    for (const columns of [20, 80, 200]) {
      const text = shown(new Screen(true, columns), 5_000);
      expect(text).not.toContain('\n');
      const lines = text.split('\r\u001b[K').slice(1, -1);
      expect(lines).toHaveLength(10);
      for (const line of lines) expect(line.length).toBeLessThan(columns);
    }
  });

  it('is a line every three seconds elsewhere, without control characters', () => {
    const text = shown(new Screen(false, 0), 10_000);
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(
      /^0s {2}sent 1234567 {2}acknowledged 1000 {2}[\d.]+\/s {2}p50 2\.0 ms {2}p99 2\.0 ms {2}online 998\/1000 {2}commands 12 {2}errors 1$/,
    );
  });

  it('puts a note on a line of its own', () => {
    const screen = new Screen(true, 80);
    const progress = new Progress(screen, busy(), 1, true);
    progress.note('The service is back.');
    progress.end();
    expect(screen.text).toBe('\r\u001b[KThe service is back.\n\r\u001b[K');
  });
});
