import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { errorCatalogue } from '../../src/common/errors.js';
import '../../src/app.module.js';
import { CONFIG_CLASSES } from '../../src/config/load-config.js';
import { settingsOf } from '../../src/config/setting.decorator.js';

const read = (path: string) => readFileSync(path, 'utf8');

/** The first cells of the rows of a Markdown table below `heading`, without back-ticks. */
function firstCells(markdown: string, heading: string): string[][] {
  const section = markdown.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`there is no section "${heading}"`);
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

describe('docs/errors.md', () => {
  const markdown = read('docs/errors.md');

  // The application loads some parts only where they are used.
  beforeAll(async () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.errors.ts'),
    );
    for (const path of files) await import(`../../src/${path.replace(/ts$/, 'js')}`);
  });

  it('lists every error code with its status and title, and no other', () => {
    const documented = firstCells(markdown, 'Errors of the REST API').map(([code, status, title]) => [
      code,
      Number(status),
      title,
    ]);
    const existing = [...errorCatalogue].map(([code, { status, title }]) => [code, status, title]);
    expect(documented.toSorted()).toEqual(existing.toSorted());
  });
});

describe('docs/configuration.md', () => {
  it('lists every setting, and no other', () => {
    const documented = firstCells(read('docs/configuration.md'), 'Configuration').map(([variable]) => variable);
    const existing = CONFIG_CLASSES.flatMap((type) => settingsOf(type).map(({ variable }) => variable));
    expect(documented.toSorted()).toEqual(existing.toSorted());
  });

  it('gives the default of every setting that has one', () => {
    const documented = new Map(
      firstCells(read('docs/configuration.md'), 'Configuration').map(([variable, value]) => [variable, value]),
    );
    for (const { variable, fallback } of CONFIG_CLASSES.flatMap((type) => settingsOf(type))) {
      if (fallback !== '') expect([variable, documented.get(variable)]).toEqual([variable, fallback]);
    }
  });
});

describe('The documentation', () => {
  const pages = [
    ...readdirSync('.').filter((name) => name.endsWith('.md')),
    ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ];

  it.each(pages)('%s links only to files that exist', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) =>
      normalize(join(dirname(page), target!)),
    );
    for (const target of targets) {
      expect(() => (target.endsWith('/') ? readdirSync(target) : read(target))).not.toThrow();
    }
  });
});
