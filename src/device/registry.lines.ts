import { isUtf8 } from 'node:buffer';
import { parseJson } from '../common/json.js';
import { RegistryErrors } from './registry.errors.js';

/** A line of an import that holds something; `number` counts all lines from 1. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer;
}

/** Reads a line as the object that it stands for. Throws DomainError or JsonError where it cannot be read. */
export type ReadLine = (bytes: Buffer) => unknown;

const LF = 0x0a;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const COLUMNS = new Set(['id', 'name', 'type', 'tags']);
const HEADER = 'The first line names the columns: id, and as wanted name, type, tags.';

/** The lines that are not blank. A byte order mark before the first is left out. */
export function linesOf(body: Buffer): Line[] {
  const lines: Line[] = [];
  let at = body.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  for (let number = 1; at < body.length; number++) {
    const found = body.indexOf(LF, at);
    const end = found < 0 ? body.length : found;
    const bytes = body.subarray(at, end);
    if (!isBlank(bytes)) lines.push({ number, bytes });
    at = end + 1;
  }
  return lines;
}

/** Reads lines of NDJSON. */
export const readJsonLine: ReadLine = (bytes) => parseJson(bytes);

/**
 * Reads lines of CSV (RFC 4180) with these columns; empty cells are left out, and tags are written `k:v;k:v`. Each line stands
 * by itself, because no value may hold a line break: a stray quote spoils its own line only. Throws BAD_CSV for a bad header.
 */
export async function csvReader(header: Buffer): Promise<ReadLine> {
  const { parse } = await import('csv-parse/sync');
  const cellsOf = (bytes: Buffer): string[] => {
    if (!isUtf8(bytes)) throw RegistryErrors.BAD_CSV('The line is not valid UTF-8.');
    try {
      return parse(bytes, { relax_column_count: true })[0] ?? [];
    } catch {
      // What the library says quotes the line.
      throw RegistryErrors.BAD_CSV('The quotes of the line do not match (RFC 4180).');
    }
  };
  const columns = cellsOf(header).map((name) => name.trim().toLowerCase());
  if (!columns.includes('id') || columns.some((name, i) => !COLUMNS.has(name) || columns.indexOf(name) !== i)) {
    throw RegistryErrors.BAD_CSV(HEADER);
  }
  return (bytes) => {
    const cells = cellsOf(bytes);
    if (cells.length > columns.length) {
      throw RegistryErrors.BAD_CSV(`The line has ${cells.length} cells, and the header ${columns.length}.`);
    }
    const given = columns.flatMap((name, i) => (cells[i] ? [[name, cells[i]] as const] : []));
    return Object.fromEntries(given.map(([name, cell]) => [name, name === 'tags' ? readTags(cell) : cell]));
  };
}

function readTags(cell: string): Record<string, string> {
  const tags = new Map<string, string>();
  for (const item of cell.split(';').filter((text) => text.trim() !== '')) {
    const colon = item.indexOf(':');
    const key = item.slice(0, colon).trim();
    if (colon < 0) throw RegistryErrors.BAD_CSV('Tags are written key:value;key:value.');
    if (tags.has(key)) throw RegistryErrors.BAD_CSV('A tag is given twice.');
    tags.set(key, item.slice(colon + 1).trim());
  }
  return Object.fromEntries(tags);
}

function isBlank(bytes: Buffer): boolean {
  // Blank, TAB, CR.
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
