import { readFileSync } from 'node:fs';
import { isDeviceId } from '../../common/ids.js';

const STANDARD_INPUT = 0;

/** The device ids of a file, or of standard input where it is `-`: one a line; blank lines and what follows a # are left out. */
export function readDeviceIds(path: string): readonly string[] {
  const lines = readFileSync(path === '-' ? STANDARD_INPUT : path, 'utf8').split(/\r?\n/);
  return lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
}

/** The ids, each once. Throws where one is no device id, or there is none. */
export function checkedDeviceIds(ids: readonly string[]): readonly string[] {
  const bad = ids.find((id) => !isDeviceId(id));
  if (bad !== undefined) throw new Error(`${JSON.stringify(bad.slice(0, 128))} is no device id`);
  if (ids.length === 0) throw new Error('there is no device to send it to');
  return [...new Set(ids)];
}
