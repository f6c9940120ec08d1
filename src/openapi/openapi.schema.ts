import type { Type } from '@nestjs/common';
import { getMetadataStorage, ValidationTypes } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { descriptionIn, type JsonSchema } from '../common/json-schema.js';
import { portableSource } from '../common/printable.js';

/** One property of a DTO class. */
export interface PropertySchema {
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
}

type Constraints = readonly unknown[];

/** What the rules of class-validator that we use say in JSON Schema. */
const RULES: Readonly<Record<string, (constraints: Constraints) => JsonSchema>> = {
  isString: () => ({ type: 'string' }),
  isInt: () => ({ type: 'integer' }),
  isBoolean: () => ({ type: 'boolean' }),
  isObject: () => ({ type: 'object' }),
  isArray: () => ({ type: 'array' }),
  isIn: ([values]) => ({ enum: values }),
  matches: ([pattern]) => ({ type: 'string', pattern: portableSource(pattern as RegExp) }),
  min: ([least]) => ({ minimum: least }),
  max: ([most]) => ({ maximum: most }),
  maxLength: ([most]) => ({ maxLength: most }),
  arrayMinSize: ([least]) => ({ minItems: least }),
  arrayMaxSize: ([most]) => ({ maxItems: most }),
  arrayUnique: () => ({ uniqueItems: true }),
};

/**
 * The properties of a DTO class as its own validation rules have them, so that nothing is said twice. Throws where a rule has no
 * JSON Schema: then it needs `described` (common/json-schema.ts).
 */
export function propertiesOf(dto: Type<object>): readonly PropertySchema[] {
  const storage = getMetadataStorage();
  const rules = storage.groupByPropertyName(storage.getTargetValidationMetadatas(dto, '', true, false));
  const defaults = new dto() as Readonly<Record<string, unknown>>;
  return Object.entries(rules).map(([name, all]) => {
    const checks = all.filter(({ type }) => type === ValidationTypes.CUSTOM_VALIDATION);
    const fallback = defaults[name];
    return {
      name,
      required: fallback === undefined && checks.length > 0 && !isSkippedFor(all, undefined),
      schema: {
        ...(isSkippedFor(all, null) && checks.length > 0 ? orNull(schemaOf(dto, checks)) : schemaOf(dto, checks)),
        ...(fallback === undefined ? {} : { default: fallback }),
      },
    };
  });
}

/** The schema of a body of this class. Unknown members are refused, as the pipe refuses them. */
export function objectSchema(dto: Type<object>): JsonSchema {
  const properties = propertiesOf(dto);
  const required = properties.filter((property) => property.required).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(properties.map(({ name, schema }) => [name, schema])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

function schemaOf(dto: Type<object>, checks: readonly ValidationMetadata[]): JsonSchema {
  const ofEach = checks.filter(({ each }) => each);
  const ofAll = checks.filter(({ each }) => !each);
  const schema = merged(dto, ofAll);
  return ofEach.length > 0 ? { type: 'array', ...schema, items: merged(dto, ofEach) } : schema;
}

function merged(dto: Type<object>, checks: readonly ValidationMetadata[]): JsonSchema {
  const schemas = checks.map(({ name = '', propertyName, constraints, context }) => {
    const schema = descriptionIn(context) ?? RULES[name]?.((constraints ?? []) as Constraints);
    if (!schema)
      throw new Error(`the rule ${name} of ${dto.name}.${propertyName} needs a description (common/json-schema.ts)`);
    return schema;
  });
  return Object.assign({}, ...schemas.toReversed()) as JsonSchema;
}

/** Asks the conditions of a property themselves whether they let this value through unchecked. */
function isSkippedFor(all: readonly ValidationMetadata[], value: unknown): boolean {
  return all
    .filter(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION)
    .some(({ constraints: [condition] }) => !(condition as (object: object, given: unknown) => boolean)({}, value));
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] };
}
