const ASCII = /^[ -~]{1,128}$/;
// The same characters that no topic may contain (common/topic.ts), so that every name fits into a topic, a log line and a page.
const UNICODE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD\p{Noncharacter_Code_Point}]{1,128}$/u;

/** True where `text` has 1 to 128 characters (code points), all of them printable. */
export function isPrintable(text: string): boolean {
  return ASCII.test(text) || UNICODE.test(text);
}
