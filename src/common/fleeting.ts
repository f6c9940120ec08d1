/**
 * Collections whose members come and go all the time and are large, such as connections.
 *
 * When V8's Map or Set tidies up after deletions it makes a new table, and the old one points to it. Once such a table is in the
 * old generation, which needs no more than a quiet minute, minor collections take every later one for alive although none but the
 * last is, and with them all that they held when they were left: everything that was ever there is copied, promoted, and freed
 * by a major collection only (decision 24). What is deleted here is held by no table any more; its key is, which is why that is no object.
 */
export class FleetingMap<K extends string | number, V extends object> {
  private readonly cells = new Map<K, { value: V | null }>();

  get size(): number {
    return this.cells.size;
  }

  get(key: K): V | undefined {
    return this.cells.get(key)?.value ?? undefined;
  }

  has(key: K): boolean {
    return this.cells.has(key);
  }

  /** A key that is there keeps its place in the order. */
  set(key: K, value: V): void {
    const cell = this.cells.get(key);
    if (cell) cell.value = value;
    else this.cells.set(key, { value });
  }

  /** True where it was there. */
  delete(key: K): boolean {
    const cell = this.cells.get(key);
    if (!cell) return false;
    cell.value = null;
    return this.cells.delete(key);
  }

  clear(): void {
    for (const cell of this.cells.values()) cell.value = null;
    this.cells.clear();
  }

  /** The one that has been there for longest. */
  get oldest(): V | undefined {
    return this.cells.values().next().value?.value ?? undefined;
  }

  /** Those that are there now, in the order in which they came. */
  values(): V[] {
    return Array.from(this.cells.values(), ({ value }) => value!);
  }
}

/** A set like that, of objects; each knows by itself where it is in it. */
export class FleetingSet<T extends object> {
  private readonly members = new FleetingMap<number, T>();
  private readonly place = new Attached<T, number>('place');
  private latest = 0;

  get size(): number {
    return this.members.size;
  }

  add(member: T): void {
    if (this.place.get(member) !== undefined) return;
    this.place.set(member, ++this.latest);
    this.members.set(this.latest, member);
  }

  /** True where it was there. */
  delete(member: T): boolean {
    const place = this.place.get(member);
    if (place === undefined) return false;
    this.place.delete(member);
    return this.members.delete(place);
  }

  /** The one that has been there for longest. */
  get oldest(): T | undefined {
    return this.members.oldest;
  }

  /** Those that are there now, in the order in which they came. */
  values(): T[] {
    return this.members.values();
  }
}

/**
 * What is known of objects, held by the objects themselves. A WeakMap does not do for values that hold their key: minor collections
 * take all values of one that is in the old generation for alive.
 */
export class Attached<T extends object, V> {
  private readonly key: symbol;

  constructor(name: string) {
    this.key = Symbol(name);
  }

  get(object: T): V | undefined {
    return (object as Record<symbol, V | undefined>)[this.key];
  }

  set(object: T, value: V): void {
    (object as Record<symbol, V | undefined>)[this.key] = value;
  }

  delete(object: T): void {
    (object as Record<symbol, V | undefined>)[this.key] = undefined;
  }
}
