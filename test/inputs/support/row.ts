/** Where a test is: its file below test/, and its titles from the outermost `describe` down to `it`, then the case of a table if need be. */
export interface Place {
  readonly file: string;
  readonly titles: readonly string[];
}

/** What shows the answer to one item of a row: tests, or why there is none yet. */
export type Proof = readonly Place[] | { readonly later: string };

/** One row of the tables in inputs-and-faults.md: its two cells, and each item in it. */
export interface Row {
  readonly input: string;
  readonly answer: string;
  readonly items: Readonly<Record<string, Proof>>;
}

type Own = (file: string, ...titles: readonly string[]) => Place;

/** A test somewhere below test/; `file` without its ending, `.embedded` and the like included. */
export function test(file: string, ...titles: readonly string[]): Place {
  return { file: `test/${file}.e2e-spec.ts`, titles };
}

/** `own`: a test of test/inputs/, whose outermost title is the row's input. */
export function row(input: string, answer: string, items: (own: Own) => Readonly<Record<string, Proof>>): Row {
  return { input, answer, items: items((file, ...titles) => test(`inputs/${file}`, input, ...titles)) };
}

/** What cannot be shown yet, because what it is about is not there. */
export function later(reason: string): Proof {
  return { later: reason };
}
