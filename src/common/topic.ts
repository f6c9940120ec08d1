import { UNPRINTABLE } from './printable.js';

/** Longest topic in bytes of UTF-8, and most levels. */
const MAX_TOPIC_BYTES = 256;
const MAX_TOPIC_LEVELS = 8;

function problemOf(topic: string): string | null {
  if (topic === '') return 'it is empty'; // [MQTT-4.7.3-1]
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) return `it is longer than ${MAX_TOPIC_BYTES} bytes`;
  if (topic.split('/').length > MAX_TOPIC_LEVELS) return `it has more than ${MAX_TOPIC_LEVELS} levels`;
  if (UNPRINTABLE.test(topic)) return 'it contains a character that cannot be printed'; // [MQTT-4.7.3-2]
  return null;
}

/** Says why nothing may be published to `topic`, or null where it may. `$`-topics belong to the broker [MQTT-4.7.2-1]. */
export function topicProblem(topic: string): string | null {
  const problem = problemOf(topic);
  if (problem) return problem;
  if (topic.includes('+') || topic.includes('#')) return 'it contains a wildcard'; // [MQTT-3.3.2-2]
  if (topic.startsWith('$')) return 'it starts with $, which is reserved for the broker';
  return null;
}

/** Says why `filter` is no valid topic filter [MQTT-4.7.1-2, -3], or null where it is one. */
export function filterProblem(filter: string): string | null {
  const problem = problemOf(filter);
  if (problem) return problem;
  const levels = filter.split('/');
  for (const [i, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || i !== levels.length - 1)) return '# is only allowed as the last level';
    if (level.includes('+') && level !== '+') return '+ must be a whole level';
  }
  return null;
}

/** True where `topic` matches `filter`; both must be valid. A leading wildcard does not match `$`-topics [MQTT-4.7.2-1]. */
export function matchesFilter(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const filterLevels = filter.split('/');
  const topicLevels = topic.split('/');
  for (const [i, level] of filterLevels.entries()) {
    if (level === '#') return true; // the parent level included [MQTT-4.7.1-2]
    if (i >= topicLevels.length) return false;
    if (level !== '+' && level !== topicLevels[i]) return false;
  }
  return filterLevels.length === topicLevels.length;
}

/** A topic with named levels, such as `poc/{deviceId}/sensor`; a last level `{rest#}` takes all levels that are left. */
export class TopicTemplate {
  /** The same as a topic filter: every named level is a `+`, a last `{rest#}` a `#`. */
  readonly filter: string;
  private readonly levels: readonly { readonly text: string; readonly name: string | null; readonly rest: boolean }[];

  constructor(readonly template: string) {
    this.levels = template.split('/').map((text) => {
      const name = /^\{(\w+)(#?)\}$/.exec(text);
      return { text, name: name?.[1] ?? null, rest: name?.[2] === '#' };
    });
    this.filter = this.levels.map(({ text, name, rest }) => (rest ? '#' : name ? '+' : text)).join('/');
  }

  /** The named levels of `topic`, or null where it does not match. Wildcards in the template match without a name. */
  match(topic: string): Record<string, string> | null {
    if (!matchesFilter(this.filter, topic)) return null;
    const parts = topic.split('/');
    const params: Record<string, string> = {};
    for (const [i, { name, rest }] of this.levels.entries()) {
      if (name) params[name] = rest ? parts.slice(i).join('/') : parts[i]!;
    }
    return params;
  }

  /** The topic with `values` in the places of its named levels. */
  topicFor(values: Readonly<Record<string, string>>): string {
    return this.levels.map(({ text, name }) => (name ? values[name]! : text)).join('/');
  }
}
