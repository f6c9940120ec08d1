import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { COMMAND_RANK } from '../../src/control/command.machine.js';
import { type CommandBody, TestDevice } from '../control/command-client.js';
import { createTestApp, type TestApp } from '../support/app.js';

const run = promisify(execFile);
const markdown = readFileSync('docs/commands.md', 'utf8');
const blocks = (language: string) =>
  [...markdown.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text!);

let signalbox: TestApp;
let pumps: readonly TestDevice[];
beforeAll(async () => {
  signalbox = await createTestApp();
  pumps = await Promise.all(['pump-1', 'pump-2'].map((id) => TestDevice.listen(signalbox, id)));
});
afterAll(async () => {
  await Promise.all(pumps.map((pump) => pump.end()));
  await signalbox.close();
});

/** The output of a line of shell as it stands, but for where Signalbox listens and how its program is called. */
async function shell(line: string): Promise<string> {
  const command = line
    .replaceAll('http://127.0.0.1:3000', signalbox.httpUrl)
    .replace('npm run -s signalbox -- command send', `node ${resolve('dist/cli/signalbox.js')} command send`)
    .replace(/( command send .*)$/m, `$1 --url ${signalbox.httpUrl}`);
  const { stdout } = await run('bash', ['-c', command], { timeout: 30_000, cwd: signalbox.dataDir });
  return stdout;
}

/** The names of the rows of the table below a heading. */
function rowsBelow(heading: string): readonly string[] {
  const section = markdown.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!;
  return [...section.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
}

describe('docs/commands.md', () => {
  it('shows the command and what is known of it in the forms in which they come', async () => {
    const [pump] = pumps;
    const asked = shell(blocks('sh')[0]!);
    const wire = await pump!.nextCommand();
    await pump!.answer(wire.id, { status: 'accepted' });
    await pump!.answer(wire.id, { status: 'succeeded', result: { rpm: 900 } });
    const [shownWire, shown] = blocks('json').map((text) => JSON.parse(text) as CommandBody);
    const { id } = wire;
    expect(wire).toEqual({ ...shownWire, id, expiresAt: expect.any(String), ttlMs: expect.any(Number) });
    const command = JSON.parse(await asked) as CommandBody;
    expect(Object.keys(command)).toEqual(Object.keys(shown!));
    const { status, outcome, result, final } = shown!;
    expect(command).toMatchObject({ id, status, outcome, result, final });
    expect(new Set(command.history.flatMap((change) => Object.keys(change)))).toEqual(
      new Set(shown!.history.flatMap((change) => Object.keys(change))),
    );
  });

  it('has command lines that work', async () => {
    writeFileSync(join(signalbox.dataDir, 'pumps.txt'), 'pump-1\npump-2\n');
    const answering = pumps.map(async (pump, i) => {
      for (let n = 0; n < (i === 0 ? 3 : 2); n++) {
        await pump.answer((await pump.nextCommand()).id, { status: 'succeeded' });
      }
    });
    const [one, two, three] = blocks('sh')[1]!.trim().split('\n');
    expect(await shell(one!)).toContain('pump-1: SUCCEEDED (executed)');
    expect(JSON.parse(await shell(two!))).toMatchObject({ verdicts: { accepted: 2 } });
    expect(await shell(three!)).toContain('succeeded 2');
    await Promise.all(answering);
  });

  it('lists all that may be said of a command, and all states', () => {
    expect(rowsBelow('What may be said of a command')).toEqual(['type', ...Object.keys(COMMAND_DEFAULTS)]);
    expect(rowsBelow('What a state says')).toEqual(Object.keys(COMMAND_RANK));
  });
});
