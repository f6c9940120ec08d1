import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { filterProblem, matchesFilter } from '../../common/topic.js';
import { TopicTree } from './topic-tree.js';

const level = fc.constantFrom('a', 'b', '', '$x', '__proto__');
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filters = fc
  .array(fc.oneof(level, fc.constantFrom('+', '#')), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((filter) => filterProblem(filter) === null);

function treeOf(keys: readonly string[]): TopicTree<string> {
  const tree = new TopicTree<string>();
  for (const key of keys) tree.set(key, key);
  return tree;
}

describe('TopicTree', () => {
  it('finds exactly the filters that match a topic', () => {
    fc.assert(
      fc.property(fc.array(filters), topics, (keys, topic) => {
        const expected = [...new Set(keys)].filter((filter) => matchesFilter(filter, topic));
        expect(treeOf(keys).matchingTopic(topic).toSorted()).toEqual(expected.toSorted());
      }),
    );
  });

  it('finds exactly the topics that a filter matches', () => {
    fc.assert(
      fc.property(fc.array(topics), filters, (keys, filter) => {
        const expected = [...new Set(keys)].filter((topic) => matchesFilter(filter, topic));
        expect([...treeOf(keys).matchedBy(filter)].toSorted()).toEqual(expected.toSorted());
      }),
    );
  });

  it('forgets what is deleted, and only that', () => {
    fc.assert(
      fc.property(fc.uniqueArray(filters, { minLength: 1 }), (keys) => {
        const tree = treeOf(keys);
        const [gone, ...kept] = keys as [string, ...string[]];
        tree.delete(gone);
        expect(tree.get(gone)).toBeUndefined();
        expect(kept.map((key) => tree.get(key))).toEqual(kept);
        for (const key of kept) tree.delete(key);
        expect(tree).toEqual(new TopicTree());
      }),
    );
  });
});
