import { ValidateBy } from 'class-validator';
import { described } from './json-schema.js';
import { isTagKey, isTagValue, MOST_TAGS, TAGS_FORM } from './tags.js';

/** Tags: an object of `least` (default 0) to 32 texts. */
export function IsTags({ least = 0 }: { readonly least?: number } = {}): PropertyDecorator {
  const size = least > 0 ? `${least} to ${MOST_TAGS}` : `at most ${MOST_TAGS}`;
  return objectOf(isTagValue, `tags must be an object of ${size}, ${TAGS_FORM}`, [least, MOST_TAGS]);
}

/** A merge patch of tags: as {@link IsTags}, but null removes one. */
export function IsTagsPatch(): PropertyDecorator {
  return objectOf(
    (value) => value === null || isTagValue(value),
    `tags must be null or an object of at most ${2 * MOST_TAGS}, ${TAGS_FORM}, or null to remove one`,
    [0, 2 * MOST_TAGS],
  );
}

function objectOf(
  isValue: (value: unknown) => boolean,
  message: string,
  [least, most]: readonly [number, number],
): PropertyDecorator {
  const validate = (tags: unknown): boolean => {
    if (tags === null || typeof tags !== 'object' || Array.isArray(tags)) return false;
    const entries = Object.entries(tags);
    if (entries.length < least || entries.length > most) return false;
    return entries.every(([key, value]) => isTagKey(key) && isValue(value));
  };
  const type = isValue(null) ? ['string', 'null'] : 'string';
  const schema = {
    type: 'object',
    ...(least > 0 && { minProperties: least }),
    maxProperties: most,
    additionalProperties: { type },
  };
  return ValidateBy({ name: 'isTags', validator: { validate } }, { message, ...described(schema) });
}
