// Controls, the replacement character that invalid UTF-8 decodes to, lone surrogates and non-characters [MQTT-1.5.3-1, -2].
const CLASS = String.raw`\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD\p{Noncharacter_Code_Point}`;

/** Finds a character that no topic, name or key may contain, because it fits into no log line and no page. */
export const UNPRINTABLE = new RegExp(`[${CLASS}]`, 'u');

/** Matches texts of 1 to `most` characters (code points), all of them printable. */
export function printable(most: number): RegExp {
  return new RegExp(`^[^${CLASS}]{1,${most}}$`, 'u');
}

/**
 * The source of a pattern as validators in every language can read it (JSON Schema 2020-12 Core, 6.4), which know no classes of
 * Unicode: where a pattern asks for a printable character, it lets any through but the end of a line.
 */
export function portableSource({ source }: RegExp): string {
  return source.replaceAll(`[^${CLASS}]`, '.');
}
