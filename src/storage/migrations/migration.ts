/** One step of the schema. Steps run in order of `version`, all that are missing in one transaction, and never change once released. */
export interface Migration {
  /** 1, 2, 3 .. without a gap. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}
