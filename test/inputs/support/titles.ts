import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** One `it` of a file, as it is written there. */
export interface WrittenTest {
  /** From the outermost `describe` down to its own, placeholders of tables as they are. */
  readonly titles: readonly string[];
  /** All texts and numbers in its table and in those of the `describe`s around it. */
  readonly cases: ReadonlySet<string>;
}

const BLOCKS: ReadonlySet<string> = new Set(['it', 'describe', 'describeWith']);

/** The tests that a file holds and that run: those that are skipped, or are in a block that is, are left out. */
export function testsIn(path: string): readonly WrittenTest[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const tables = constantsOf(source);
  const found: WrittenTest[] = [];
  const visit = (node: ts.Node, above: WrittenTest): void => {
    const block = ts.isCallExpression(node) ? readBlock(node, tables) : null;
    if (!block) return ts.forEachChild(node, (child) => visit(child, above));
    if (block.isSkipped) return;
    for (const title of block.titles) {
      const here = { titles: [...above.titles, title], cases: new Set([...above.cases, ...block.cases]) };
      if (block.isTest) found.push(here);
      else ts.forEachChild(block.body, (child) => visit(child, here));
    }
  };
  visit(source, { titles: [], cases: new Set() });
  return found;
}

interface Block {
  readonly isTest: boolean;
  readonly isSkipped: boolean;
  /** More than one where it depends on a condition. */
  readonly titles: readonly string[];
  readonly cases: readonly string[];
  readonly body: ts.Node;
}

type Constants = ReadonlyMap<string, ts.Expression>;

/** Reads `it(title, body)`, `it.each(table)(title, body)` and the like; null for any other call. */
function readBlock(call: ts.CallExpression, tables: Constants): Block | null {
  const words: string[] = [];
  const cases: string[] = [];
  let callee: ts.Expression = call.expression;
  for (;;) {
    if (ts.isCallExpression(callee)) {
      for (const table of callee.arguments) collectCases(table, tables, cases);
      callee = callee.expression;
    } else if (ts.isPropertyAccessExpression(callee)) {
      words.push(callee.name.text);
      callee = callee.expression;
    } else break;
  }
  if (!ts.isIdentifier(callee) || !BLOCKS.has(callee.text)) return null;
  const [title, body] = callee.text === 'describeWith' ? call.arguments.slice(1) : call.arguments;
  if (!title || !body) return null; // the inner call of `it.each(table)(title, body)`
  const isSkipped = words.includes('skip') || words.includes('todo');
  return { isTest: callee.text === 'it', isSkipped, titles: titlesOf(title), cases, body };
}

function titlesOf(title: ts.Expression): string[] {
  if (ts.isConditionalExpression(title)) return [...titlesOf(title.whenTrue), ...titlesOf(title.whenFalse)];
  return [ts.isStringLiteralLike(title) ? title.text : title.getText().slice(1, -1)];
}

function collectCases(node: ts.Node, tables: Constants, into: string[], seen = new Set<string>()): void {
  if (ts.isStringLiteralLike(node)) into.push(node.text);
  else if (ts.isNumericLiteral(node)) into.push(node.getText());
  else if (ts.isIdentifier(node) && tables.has(node.text) && !seen.has(node.text)) {
    collectCases(tables.get(node.text)!, tables, into, seen.add(node.text));
  } else ts.forEachChild(node, (child) => collectCases(child, tables, into, seen));
}

function constantsOf(source: ts.SourceFile): Constants {
  const constants = new Map<string, ts.Expression>();
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer) {
      constants.set(node.name.text, node.initializer);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return constants;
}
