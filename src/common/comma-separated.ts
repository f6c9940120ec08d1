import { Transform } from 'class-transformer';

/** A query parameter that lists values separated by commas: each once and sorted, so that cursors do not depend on how it was written. */
export function CommaSeparated(): PropertyDecorator {
  // A parameter that was repeated comes as an array: it is given on as one odd value, so that it is refused.
  return Transform(({ value }: { readonly value: unknown }) =>
    typeof value === 'string' ? [...new Set(value.split(','))].toSorted() : [value],
  );
}
