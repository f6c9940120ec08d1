import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate, type ValidationError } from 'class-validator';
import type { ErrorDetail } from './errors.js';
import { HttpErrors } from './http.errors.js';
import { pointerTo } from './json.js';
import { isRepeatable } from './repeatable.js';

type Query = Readonly<Record<string, unknown>>;

/** Parameter types that are not DTO classes; a message batch is an Array. */
const NO_DTO = new Set<unknown>([String, Number, Boolean, Object, Array, undefined]);

/**
 * Checks bodies and queries against their DTO classes. Nothing is coerced or dropped: unknown fields and repeated parameters
 * are refused, and JSON inside a field arrives as it was sent. (Nest's own pipe strips keys such as `constructor` from it.)
 * Throws VALIDATION_FAILED with a pointer or parameter for each violation.
 */
@Injectable()
export class DtoValidationPipe implements PipeTransform {
  async transform(value: unknown, { metatype, type }: ArgumentMetadata): Promise<unknown> {
    if (NO_DTO.has(metatype) || (type !== 'body' && type !== 'query')) return value;
    const inBody = type === 'body';
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      const errors = [{ pointer: '', detail: 'must be a JSON object', code: 'NOT_AN_OBJECT' }];
      throw HttpErrors.VALIDATION_FAILED('The body must be a JSON object.', { errors });
    }
    // class-validator takes names that every object inherits, such as toString, for known ones.
    const inherited = Object.keys(value).filter((name) => name in Object.prototype);
    if (inherited.length > 0) throw failed(inherited.map((name) => unknownField(name, inBody)));
    const repeated = inBody
      ? []
      : Object.keys(value).filter(
          (name) => Array.isArray((value as Query)[name]) && !isRepeatable(metatype as Type<object>, name),
        );
    if (repeated.length > 0) throw failed(repeated.map(givenTwice));
    const dto = instantiate(metatype as Type<object>, value);
    const violations = await validate(dto, {
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: false,
      stopAtFirstError: true,
    });
    if (violations.length > 0) throw failed(violations.flatMap((violation) => details(violation, inBody)));
    return dto;
  }
}

/** Texts, numbers and booleans may be transformed by the class; objects and arrays are put in place as they are. */
function instantiate(type: Type<object>, value: object): object {
  const entries = Object.entries(value);
  const isStructured = ([, field]: readonly [string, unknown]) => field !== null && typeof field === 'object';
  const dto = plainToInstance(type, Object.fromEntries(entries.filter((entry) => !isStructured(entry))));
  return Object.assign(dto, Object.fromEntries(entries.filter(isStructured)));
}

function details({ property, constraints = {} }: ValidationError, inBody: boolean): ErrorDetail[] {
  return Object.entries(constraints).map(([rule, detail]) =>
    rule === 'whitelistValidation'
      ? unknownField(property, inBody)
      : { ...place(property, inBody), detail, code: rule.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toUpperCase() },
  );
}

function unknownField(property: string, inBody: boolean): ErrorDetail {
  return { ...place(property, inBody), detail: `${property} is not known here`, code: 'UNKNOWN_FIELD' };
}

function givenTwice(parameter: string): ErrorDetail {
  return { parameter, detail: `${parameter} may be given only once`, code: 'REPEATED' };
}

function place(property: string, inBody: boolean): Pick<ErrorDetail, 'pointer' | 'parameter'> {
  return inBody ? { pointer: pointerTo([property]) } : { parameter: property };
}

function failed(errors: readonly ErrorDetail[]): Error {
  return HttpErrors.VALIDATION_FAILED(errors.map(({ detail }) => detail).join('; '), { errors });
}
