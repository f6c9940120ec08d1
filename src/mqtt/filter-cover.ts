/** A leading wildcard does not match `$`-topics [MQTT-4.7.2-1]. */
function takes(wildcard: string, level: string, i: number): boolean {
  return wildcard === level || (wildcard === '+' && !(i === 0 && level.startsWith('$')));
}

/** True where every topic that matches `narrow` also matches `wide`; both must be valid filters. */
export function coversFilter(wide: string, narrow: string): boolean {
  const wides = wide.split('/');
  const narrows = narrow.split('/');
  for (const [i, level] of wides.entries()) {
    if (level === '#') return !(i === 0 && narrow.startsWith('$')); // the parent level included [MQTT-4.7.1-2]
    const other = narrows[i];
    if (other === undefined || other === '#' || !takes(level, other, i)) return false;
  }
  return wides.length === narrows.length;
}

/** True where some topic matches both; both must be valid filters. */
export function filtersOverlap(one: string, other: string): boolean {
  const ones = one.split('/');
  const others = other.split('/');
  for (let i = 0; ; i++) {
    const a = ones[i];
    const b = others[i];
    if (a === undefined && b === undefined) return true;
    if (a === '#' || b === '#') return !(i === 0 && one.startsWith('$') !== other.startsWith('$'));
    if (a === undefined || b === undefined) return false;
    if (!takes(a, b, i) && !takes(b, a, i)) return false;
  }
}

/**
 * The fewest of `filters` that together match the same topics: each once, and none that another one covers. A broker hands a
 * message over once for each shared subscription that it matches, so every other filter would double messages.
 */
export function fewestFilters(filters: readonly string[]): string[] {
  const all = [...new Set(filters)];
  return all.filter((filter) => !all.some((other) => other !== filter && coversFilter(other, filter)));
}

/** Pairs of `filters` that match some topics in common: a message on one of those comes in twice. */
export function overlappingPairs(filters: readonly string[]): (readonly [string, string])[] {
  return filters.flatMap((one, i) =>
    filters
      .slice(i + 1)
      .filter((other) => filtersOverlap(one, other))
      .map((other) => [one, other] as const),
  );
}
