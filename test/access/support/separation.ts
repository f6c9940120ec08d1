/**
 * The probability that a sample of `a` is larger than one of `b`, ties counted half: U / (n m) of Mann and Whitney. 0.5 where the
 * two cannot be told apart, 0 or 1 where they do not overlap.
 */
export function separation(a: readonly number[], b: readonly number[]): number {
  let larger = 0;
  for (const x of a) for (const y of b) larger += x > y ? 1 : x === y ? 0.5 : 0;
  return larger / (a.length * b.length);
}
