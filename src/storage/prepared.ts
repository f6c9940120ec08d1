import type { Compilable, CompiledQuery } from 'kysely';

/** Stands for a value while the statement is compiled. */
class Slot {
  constructor(readonly name: string) {}
}

type Values = Readonly<Record<string, unknown>>;

/**
 * A statement that is built and compiled once, because that costs several times what running it does, and run often with
 * other values. `build` gets stand-ins for the values: it may hand them to the statement and nothing else.
 */
export class Prepared<V extends Values, Row = unknown> {
  private compiled: CompiledQuery<Row> | null = null;

  constructor(private readonly build: (values: V) => Compilable<Row>) {}

  /** The statement with these values, which always have the same members. */
  with(values: V): CompiledQuery<Row> {
    this.compiled ??= this.build(slotsOf(values)).compile();
    const parameters = this.compiled.parameters.map((value) => (value instanceof Slot ? values[value.name] : value));
    return { ...this.compiled, parameters };
  }
}

function slotsOf<V extends Values>(values: V): V {
  return Object.fromEntries(Object.keys(values).map((name) => [name, new Slot(name)])) as V;
}
