import { printable } from './printable.js';

const KEY = /^[A-Za-z0-9_.-]{1,64}$/;
const VALUE = printable(128);

/** A tag as it is written in a query: `key:value`. No key holds a colon. */
export const TAG = new RegExp(`${KEY.source.slice(0, -1)}:${VALUE.source.slice(1)}`, 'u');

/** How many tags a device or a key may carry. */
export const MOST_TAGS = 32;

/** What {@link isTagKey} and {@link isTagValue} ask for, in the words of an error. */
export const TAGS_FORM = 'with keys of 1-64 of A-Z a-z 0-9 _ . - and values of 1-128 printable characters';

/** True for the text of a tag's key. */
export function isTagKey(text: string): boolean {
  return KEY.test(text);
}

/** True for the text of a tag's value. */
export function isTagValue(text: unknown): boolean {
  return typeof text === 'string' && VALUE.test(text);
}
