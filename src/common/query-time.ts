import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsInt } from 'class-validator';
import { parseTime } from './clock.js';
import { described, TIME_SCHEMA } from './json-schema.js';

/** A query parameter that is a time, as epoch milliseconds. A blank before the zone is the `+` that a URL has made a blank of. */
export function QueryTime(name: string): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { readonly value: unknown }) =>
      typeof value === 'string' ? (parseTime(value.replace(/ (?=\d\d:\d\d$)/, '+')) ?? value) : value,
    ),
    IsInt({
      message: `${name} must be a time: RFC 3339 with a zone, or epoch milliseconds`,
      ...described(TIME_SCHEMA),
    }),
  );
}
