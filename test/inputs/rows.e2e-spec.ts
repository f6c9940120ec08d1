import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync } from 'node:fs';
import { HTTP_CONTENTS } from './rows/http-contents.js';
import { HTTP_REQUESTS } from './rows/http-requests.js';
import { MQTT_MESSAGES } from './rows/mqtt-messages.js';
import { MQTT_PACKETS } from './rows/mqtt-packets.js';
import type { Place, Proof, Row } from './support/row.js';
import { testsIn, type WrittenTest } from './support/titles.js';

const HTTP_ROWS: readonly Row[] = [...HTTP_CONTENTS, ...HTTP_REQUESTS];
const MQTT_ROWS: readonly Row[] = [...MQTT_PACKETS, ...MQTT_MESSAGES];

const files = new Map<string, readonly WrittenTest[]>();
function written(file: string): readonly WrittenTest[] {
  const known = files.get(file) ?? (existsSync(file) ? testsIn(file) : []);
  files.set(file, known);
  return known;
}

/** True where the file has a test with these titles, the last of which may be a case of its table. */
function exists({ file, titles }: Place): boolean {
  return written(file).some(({ titles: own, cases }) => {
    const [rest, ...more] = titles.slice(own.length);
    return more.length === 0 && own.every((title, i) => title === titles[i]) && (rest === undefined || cases.has(rest));
  });
}

const isShown = (proof: Proof): proof is readonly Place[] => 'length' in proof;
const shown = (rows: readonly Row[]) => rows.filter(({ items }) => Object.values(items).some(isShown));

/** All rows of both tables, in their order. Each title is an input, each test below names where the answer to its items is shown. */
describe.each([
  ['HTTP', HTTP_ROWS],
  ['MQTT', MQTT_ROWS],
] as const)('The %s inputs', (_, rows) => {
  it.each(shown(rows))('$input', ({ items }) => {
    const places = Object.values(items).filter(isShown).flat();
    expect(places.filter((place) => !exists(place))).toEqual([]);
  });

  it('have each an item, and each item a test or a reason', () => {
    const proofs = rows.flatMap(({ items }) => [{ length: Object.keys(items).length }, ...Object.values(items)]);
    const empty = proofs.filter((proof) => ('length' in proof ? proof.length === 0 : proof.later === ''));
    expect(empty).toEqual([]);
  });
});

describe('The files of test/inputs/', () => {
  const specs = readdirSync('test/inputs').filter((name) => /^(http|mqtt)\./.test(name));

  it.each(specs)('%s has the rows as its titles, and no test that no row names', (name) => {
    const rows = name.startsWith('http') ? HTTP_ROWS : MQTT_ROWS;
    const places = rows.flatMap(({ items }) => Object.values(items).filter(isShown).flat());
    const own = places.filter(({ file }) => file === `test/inputs/${name}`);
    const unnamed = written(`test/inputs/${name}`).filter(
      ({ titles }) => !own.some((place) => titles.every((title, i) => title === place.titles[i])),
    );
    expect(unnamed.map(({ titles }) => titles)).toEqual([]);
  });
});
