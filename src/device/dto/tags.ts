import { applyDecorators } from '@nestjs/common';
import { ValidateBy } from 'class-validator';
import { printable } from '../../common/printable.js';
import { MOST_TAGS } from '../registry.device.js';

const KEY = /^[A-Za-z0-9_.-]{1,64}$/;
const VALUE = printable(128);
const FORM = 'with keys of 1-64 of A-Z a-z 0-9 _ . - and values of 1-128 printable characters';

/** True for the text of a tag's key. */
export function isTagKey(text: string): boolean {
  return KEY.test(text);
}

/** True for the text of a tag's value. */
export function isTagValue(text: string): boolean {
  return VALUE.test(text);
}

/** Tags of a device: an object of at most 32 texts. */
export function IsTags(): PropertyDecorator {
  return objectOf(
    (value) => typeof value === 'string' && VALUE.test(value),
    `tags must be an object of at most ${MOST_TAGS}, ${FORM}`,
  );
}

/** A merge patch of tags: as {@link IsTags}, but null removes one. */
export function IsTagsPatch(): PropertyDecorator {
  return objectOf(
    (value) => value === null || (typeof value === 'string' && VALUE.test(value)),
    `tags must be null or an object of at most ${2 * MOST_TAGS}, ${FORM}, or null to remove one`,
    2 * MOST_TAGS,
  );
}

function objectOf(isValue: (value: unknown) => boolean, message: string, most = MOST_TAGS): PropertyDecorator {
  const validate = (tags: unknown): boolean => {
    if (tags === null || typeof tags !== 'object' || Array.isArray(tags)) return false;
    const entries = Object.entries(tags);
    return entries.length <= most && entries.every(([key, value]) => KEY.test(key) && isValue(value));
  };
  return applyDecorators(ValidateBy({ name: 'isTags', validator: { validate } }, { message }));
}
