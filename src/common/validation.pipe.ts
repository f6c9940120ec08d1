import { type ArgumentMetadata, Injectable, type ValidationError, ValidationPipe } from '@nestjs/common';
import type { ErrorDetail } from './errors.js';
import { HttpErrors } from './http.errors.js';

class Violations extends Error {
  constructor(readonly list: readonly ValidationError[]) {
    super('validation failed');
  }
}

/**
 * Checks bodies, queries and path parameters against their DTO classes. Nothing is coerced or dropped: unknown fields and
 * repeated parameters are refused. Throws VALIDATION_FAILED with a pointer or parameter for each violation.
 */
@Injectable()
export class DtoValidationPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: false,
      stopAtFirstError: true,
      exceptionFactory: (errors) => new Violations(errors),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (
      metadata.type === 'body' &&
      this.toValidate(metadata) &&
      (value === null || typeof value !== 'object' || Array.isArray(value))
    ) {
      const errors = [{ pointer: '', detail: 'must be a JSON object', code: 'NOT_AN_OBJECT' }];
      throw HttpErrors.VALIDATION_FAILED('The body must be a JSON object.', { errors });
    }
    try {
      return (await super.transform(value, metadata)) as unknown;
    } catch (error) {
      if (!(error instanceof Violations)) throw error;
      const errors = error.list.flatMap((violation) => details(violation, '', metadata.type === 'body'));
      throw HttpErrors.VALIDATION_FAILED(errors.map(({ detail }) => detail).join('; '), { errors });
    }
  }
}

function details(violation: ValidationError, parent: string, inBody: boolean): ErrorDetail[] {
  const { property, constraints = {}, children = [] } = violation;
  const at = inBody ? `${parent}/${property.replaceAll('~', '~0').replaceAll('/', '~1')}` : property;
  const place = inBody ? { pointer: at } : { parameter: at };
  const own = Object.entries(constraints).map(([rule, text]) => {
    const unknown = rule === 'whitelistValidation';
    return {
      ...place,
      detail: unknown ? `${property} is not known here` : text,
      code: unknown ? 'UNKNOWN_FIELD' : rule.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toUpperCase(),
    };
  });
  return [...own, ...children.flatMap((child) => details(child, at, inBody))];
}
