interface Node<V> {
  readonly children: Map<string, Node<V>>;
  value: V | undefined;
}

function emptyNode<V>(): Node<V> {
  return { children: new Map(), value: undefined };
}

/** Values under topics or topic filters, found level by level, so that a look-up does not visit all of them. */
export class TopicTree<V> {
  private readonly root = emptyNode<V>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(path: string): V | undefined {
    let node: Node<V> | undefined = this.root;
    for (const level of path.split('/')) {
      node = node.children.get(level);
      if (!node) return undefined;
    }
    return node.value;
  }

  set(path: string, value: V): void {
    let node = this.root;
    for (const level of path.split('/')) {
      let child = node.children.get(level);
      if (!child) node.children.set(level, (child = emptyNode()));
      node = child;
    }
    if (node.value === undefined) this.count++;
    node.value = value;
  }

  delete(path: string): void {
    this.remove(this.root, path.split('/'), 0);
  }

  /** The values whose key, read as a filter, matches `topic`; a leading wildcard matches no `$`-topic [MQTT-4.7.2-1]. */
  matchingTopic(topic: string): V[] {
    const found: V[] = [];
    const levels = topic.split('/');
    const visit = (node: Node<V>, i: number): void => {
      const wild = i > 0 || !topic.startsWith('$');
      const rest = wild ? node.children.get('#')?.value : undefined;
      if (rest !== undefined) found.push(rest); // the parent level included [MQTT-4.7.1-2]
      if (i === levels.length) {
        if (node.value !== undefined) found.push(node.value);
        return;
      }
      const exact = node.children.get(levels[i]!);
      if (exact) visit(exact, i + 1);
      const any = wild ? node.children.get('+') : undefined;
      if (any) visit(any, i + 1);
    };
    visit(this.root, 0);
    return found;
  }

  /** The values whose key, read as a topic, is matched by `filter`. */
  *matchedBy(filter: string): Generator<V> {
    yield* this.walk(this.root, filter.split('/'), 0);
  }

  private *walk(node: Node<V>, levels: readonly string[], i: number): Generator<V> {
    if (i === levels.length) {
      if (node.value !== undefined) yield node.value;
      return;
    }
    const level = levels[i]!;
    if (level === '#') {
      if (i > 0 && node.value !== undefined) yield node.value;
      for (const [name, child] of node.children) {
        if (i > 0 || !name.startsWith('$')) yield* this.all(child);
      }
      return;
    }
    if (level === '+') {
      for (const [name, child] of node.children) {
        if (i > 0 || !name.startsWith('$')) yield* this.walk(child, levels, i + 1);
      }
      return;
    }
    const child = node.children.get(level);
    if (child) yield* this.walk(child, levels, i + 1);
  }

  private *all(node: Node<V>): Generator<V> {
    if (node.value !== undefined) yield node.value;
    for (const child of node.children.values()) yield* this.all(child);
  }

  /** Removes the value and the nodes that hold nothing any more; true where `node` itself is empty now. */
  private remove(node: Node<V>, levels: readonly string[], i: number): boolean {
    if (i === levels.length) {
      if (node.value !== undefined) this.count--;
      node.value = undefined;
    } else {
      const child = node.children.get(levels[i]!);
      if (child && this.remove(child, levels, i + 1)) node.children.delete(levels[i]!);
    }
    return node.children.size === 0 && node.value === undefined;
  }
}
