import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createTestApp, type TestApp } from '../support/app.js';
import { get } from '../support/http.js';

const run = promisify(execFile);
const page = readFileSync('docs/http-devices.md', 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text!.trim());

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

/** Runs a snippet as it stands, but for the port, and gives the JSON that it prints. */
async function runSnippet(snippet: string, variables: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const command = `set -e; ${snippet.replaceAll('http://127.0.0.1:3000', signalbox.httpUrl)}`;
  const { stdout } = await run('bash', ['-c', command], { timeout: 60_000, env: { ...process.env, ...variables } });
  return JSON.parse(stdout) as Record<string, unknown>;
}

it('The walk through in docs/http-devices.md does what the page shows', async () => {
  const [telemetry, create, fetch, answer] = blocks('sh') as [string, string, string, string];
  const [stored, handed, answered] = blocks('json').map((text) => JSON.parse(text) as Record<string, unknown>);
  expect(await runSnippet(telemetry)).toEqual(stored);
  const { id } = (await runSnippet(create)) as { id: string };
  const given = await runSnippet(fetch);
  expect(Object.keys(given)).toEqual(Object.keys(handed!));
  expect(given).toMatchObject({ id, type: handed!['type'], params: handed!['params'], attempt: 1 });
  expect(await runSnippet(answer, { ID: id })).toEqual({ ...answered, id });
  const { body } = await get<{ result: unknown }>(`${signalbox.httpUrl}/v1/commands/${id}`);
  expect(body).toMatchObject({ status: 'SUCCEEDED', result: { rpm: 900 } });
});
