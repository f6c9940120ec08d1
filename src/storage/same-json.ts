/** True where two JSON texts mean the same value: the order of keys and white space do not matter, the order of items does. */
export function sameJson(left: string, right: string): boolean {
  if (left === right) return true;
  try {
    return same(JSON.parse(left), JSON.parse(right));
  } catch {
    return false;
  }
}

function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const entries = Object.entries(left);
  const others = new Map(Object.entries(right));
  return (
    entries.length === others.size && entries.every(([key, value]) => others.has(key) && same(value, others.get(key)))
  );
}
