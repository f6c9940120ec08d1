import { applyDecorators } from '@nestjs/common';
import { IsInt, Max, Min } from 'class-validator';

/** What the loader knows of one setting. */
export interface SettingSpec {
  readonly property: string;
  readonly variable: string;
  /** The variable that names a file with the value instead; secrets only. */
  readonly fileVariable: string | null;
  readonly fallback: string;
  readonly parse: (text: string) => unknown;
}

type Parse = SettingSpec['parse'];

const specs = new WeakMap<object, SettingSpec[]>();

/** The settings of a configuration class, in the order of its properties. */
export function settingsOf(type: new () => object): readonly SettingSpec[] {
  return specs.get(type.prototype as object) ?? [];
}

/**
 * Binds a property to an environment variable. `parse` turns the text into the value and throws an Error that says what is
 * expected; class-validator decorators on the property then check the value.
 */
export function Setting(variable: string, fallback: string, parse: Parse = (text) => text): PropertyDecorator {
  return bind(variable, null, fallback, parse);
}

/** A setting whose value may also stand in a file, named by the variable with `_FILE`. One line end after it is not part of it. */
export function Secret(variable: string, fallback: string, parse: Parse = (text) => text): PropertyDecorator {
  return bind(variable, `${variable}_FILE`, fallback, parse);
}

function bind(variable: string, fileVariable: string | null, fallback: string, parse: Parse): PropertyDecorator {
  return (target, property) => {
    const list = specs.get(target) ?? [];
    specs.set(target, [...list, { property: String(property), variable, fileVariable, fallback, parse }]);
  };
}

/** Decimal digits only, so that `0x10`, `1e3` or an empty text are refused instead of read as something else. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error('must be a whole number');
  return Number(text);
}

/** A TCP port, or 0 for any free one. */
export function IsPortNumber(): PropertyDecorator {
  const message = 'must be a port from 0 to 65535 (0 = any free port)';
  return applyDecorators(IsInt({ message }), Min(0, { message }), Max(65_535, { message }));
}
