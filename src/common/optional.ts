import { ValidateIf } from 'class-validator';

/** The field may be left out. Unlike class-validator's IsOptional it may not be null: a null is checked like any other value. */
export function Optional(): PropertyDecorator {
  return ValidateIf((_, value) => value !== undefined);
}
