import { printable } from '../common/printable.js';

const ASCII = /^[ -~]{1,128}$/;
const UNICODE = printable(128);

/** True where `text` has 1 to 128 characters (code points), all of them printable. */
export function isPrintable(text: string): boolean {
  return ASCII.test(text) || UNICODE.test(text);
}
