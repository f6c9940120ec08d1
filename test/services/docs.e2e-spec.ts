import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createTestApp, type TestApp } from '../support/app.js';
import { get } from '../support/http.js';

const run = promisify(execFile);

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

/** The code of docs/topics.md in a program of its own, as it stands, but for the port, which is a free one here. */
async function runSnippet(): Promise<string> {
  const code = /```js\n([^]*?)```/.exec(readFileSync('docs/topics.md', 'utf8'))![1]!;
  const program = code.replace('mqtt://127.0.0.1:1883', signalbox.mqttUrl);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 30_000 });
  return stdout;
}

it('The code in docs/topics.md is a service that asks Signalbox', async () => {
  const output = await runSnippet();
  expect(output).toMatch(/temperature: \{\s*value: 21\.5/);
  expect(output).toContain("topic: 'services/sensor/record'");
  expect(output).toContain("type: 'TURN_ON_FAN'");
  expect(output).toContain('COMMAND_UNKNOWN There is no command with this id.');
}, 60_000);

it('docs/api.md shows the capabilities in the form in which they come', async () => {
  const section = readFileSync('docs/api.md', 'utf8').split('### `GET /v1/capabilities`')[1]!;
  const documented = JSON.parse(/```json\n([^]*?)```/.exec(section)![1]!) as object;
  const { body } = await get<object>(`${signalbox.httpUrl}/v1/capabilities`);
  expect(namesIn(body)).toEqual(namesIn(documented));
});

/** The names of all members, as paths. */
function namesIn(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([name, member]) => namesIn(member, `${path}/${name}`));
}
