import { applyDecorators, type Type } from '@nestjs/common';
import { Transform } from 'class-transformer';

const REPEATABLE = 'signalbox:repeatable';

/** A query parameter that may be given several times; it is an array of texts, however often it came. */
export function Repeatable(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { readonly value: unknown }) => (typeof value === 'string' ? [value] : value)),
    (target: object, name: string | symbol) => Reflect.defineMetadata(REPEATABLE, true, target, name),
  );
}

/** True for such a parameter of the class. */
export function isRepeatable({ prototype }: Type<object>, name: string): boolean {
  return Reflect.hasMetadata(REPEATABLE, prototype as object, name);
}
