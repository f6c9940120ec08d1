/** How many members each collection has that can be reached from `root`, by the path to it; those of no members are left out. */
export function sizesIn(root: object): Readonly<Record<string, number>> {
  const sizes: Record<string, number> = {};
  const seen = new Set<object>();
  const open: { readonly path: string; readonly value: object }[] = [{ path: '', value: root }];
  for (let next = open.shift(); next; next = open.shift()) {
    const { path, value } = next;
    if (seen.has(value) || ArrayBuffer.isView(value)) continue;
    seen.add(value);
    const size = value instanceof Map || value instanceof Set ? value.size : Array.isArray(value) ? value.length : 0;
    if (size > 0) sizes[path] = size;
    if (size > 0 || path.split('.').length > 7) continue;
    for (const key of Reflect.ownKeys(value)) {
      const member = Object.getOwnPropertyDescriptor(value, key)?.value as unknown;
      if (typeof member === 'object' && member !== null) open.push({ path: `${path}.${String(key)}`, value: member });
    }
  }
  return sizes;
}
