/** A JSON Schema (2020-12), or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

interface Description {
  readonly context: { readonly schema: JsonSchema };
}

/**
 * What a rule lets through, for the API description: options of a class-validator rule that cannot be told from its name, such
 * as one of our own, or one behind a transformation.
 */
export function described(schema: JsonSchema): Description {
  return { context: { schema } };
}

/** The schema that {@link described} has given to a rule; undefined where it was given none. */
export function descriptionIn(context: unknown): JsonSchema | undefined {
  return (context as Description['context'] | undefined)?.schema;
}

/** A time as the API takes it. */
export const TIME_SCHEMA: JsonSchema = {
  anyOf: [
    { type: 'string', format: 'date-time' },
    { type: 'integer', description: 'epoch milliseconds' },
  ],
};
