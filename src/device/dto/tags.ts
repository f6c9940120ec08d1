import { applyDecorators } from '@nestjs/common';
import { ValidateBy } from 'class-validator';
import { described } from '../../common/json-schema.js';
import { isTagKey, isTagValue, MOST_TAGS, TAGS_FORM } from '../../common/tags.js';

/** Tags of a device: an object of at most 32 texts. */
export function IsTags(): PropertyDecorator {
  return objectOf(isTagValue, `tags must be an object of at most ${MOST_TAGS}, ${TAGS_FORM}`);
}

/** A merge patch of tags: as {@link IsTags}, but null removes one. */
export function IsTagsPatch(): PropertyDecorator {
  return objectOf(
    (value) => value === null || isTagValue(value),
    `tags must be null or an object of at most ${2 * MOST_TAGS}, ${TAGS_FORM}, or null to remove one`,
    2 * MOST_TAGS,
  );
}

function objectOf(isValue: (value: unknown) => boolean, message: string, most = MOST_TAGS): PropertyDecorator {
  const validate = (tags: unknown): boolean => {
    if (tags === null || typeof tags !== 'object' || Array.isArray(tags)) return false;
    const entries = Object.entries(tags);
    return entries.length <= most && entries.every(([key, value]) => isTagKey(key) && isValue(value));
  };
  const type = isValue(null) ? ['string', 'null'] : 'string';
  const schema = { type: 'object', maxProperties: most, additionalProperties: { type } };
  return applyDecorators(ValidateBy({ name: 'isTags', validator: { validate } }, { message, ...described(schema) }));
}
