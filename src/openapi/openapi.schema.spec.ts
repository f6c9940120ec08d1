import { describe, expect, it } from '@jest/globals';
import { IsEmail, IsIn, IsInt, Matches, Max, Min, ValidateBy, ValidateIf } from 'class-validator';
import { described } from '../common/json-schema.js';
import { Optional } from '../common/optional.js';
import { printable } from '../common/printable.js';
import { objectSchema, propertiesOf } from './openapi.schema.js';

class Base {
  @IsInt()
  @Min(1)
  @Max(9)
  readonly size!: number;
}

class Sample extends Base {
  @Optional()
  @Matches(printable(8))
  readonly name?: string;

  @Optional()
  @IsIn(['a', 'b'], { each: true })
  readonly kinds: readonly string[] = ['a'];

  @ValidateIf((_, value) => value !== null)
  @ValidateBy({ name: 'own', validator: { validate: () => true } }, described({ type: 'object', maxProperties: 2 }))
  readonly labels!: object | null;

  @Optional()
  readonly anything?: unknown;
}

describe('The schema of a DTO class', () => {
  it('says what its rules say: inherited ones, those of each item, conditions, defaults and our own', () => {
    expect(objectSchema(Sample)).toEqual({
      type: 'object',
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 9 },
        name: { type: 'string', pattern: '^.{1,8}$' },
        kinds: { type: 'array', items: { enum: ['a', 'b'] }, default: ['a'] },
        labels: { anyOf: [{ type: 'object', maxProperties: 2 }, { type: 'null' }] },
        anything: {},
      },
      required: ['labels', 'size'],
      additionalProperties: false,
    });
  });

  it('is refused for a rule that it has no words for', () => {
    class Unknown {
      @IsEmail()
      readonly address!: string;
    }
    expect(() => propertiesOf(Unknown)).toThrow('the rule isEmail of Unknown.address needs a description');
  });
});
