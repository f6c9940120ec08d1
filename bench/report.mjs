import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COLUMNS = /** @type {const} */ (['id', 'what', 'measured', 'against', 'figure', 'target', 'verdict']);
const HEADINGS = ['#', 'measure', 'Signalbox', 'against', 'figure', 'target', 'verdict'];

/** The rows as an aligned Markdown table, so that it can be copied into docs/performance.md. */
export function table(/** @type {readonly import('./bench.mjs').Row[]} */ rows) {
  const lines = [HEADINGS, ...rows.map((row) => COLUMNS.map((column) => row[column]))];
  const widths = HEADINGS.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const write = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell, i) => cell.padEnd(/** @type {number} */ (widths[i]))).join(' | ')} |`;
  const [head, ...body] = lines.map(write);
  return [head, write(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}

/** Writes bench/results/<time>.json and returns its path. */
export function writeResults(/** @type {{ machine: { date: string }, [name: string]: unknown }} */ results) {
  const directory = fileURLToPath(new URL('results', import.meta.url));
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${results.machine.date.replaceAll(':', '-')}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  return path;
}
