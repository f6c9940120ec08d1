import { closest, distance } from 'fastest-levenshtein';
import { quoted, Refusal } from './sensor.errors.js';

const FIRST_LEVELS = ['telemetry', 'events', 'status', 'commands'] as const;
const KNOWN = 'up/telemetry, up/telemetry/{metric}, up/events/{type}, up/status and up/commands/{commandId}';

/** The refusal for a topic below `up/` that nothing reads, with what was probably meant. */
export function unknownTopic(topic: string): Refusal {
  const rest = topic.includes('/up/') ? topic.slice(topic.indexOf('/up/') + '/up/'.length) : '';
  return new Refusal('UNKNOWN_TOPIC', `Nothing reads ${quoted(topic)}. ${advice(rest.split('/'))}`);
}

function advice([first = '', ...more]: readonly string[]): string {
  if (first === 'telemetry') return 'A metric is one level: up/telemetry/{metric}. Write nested ones with a dot.';
  if (first === 'events' && more.length === 0) return 'An event needs its type in the topic: up/events/{type}.';
  if (first === 'events') return 'The type of an event is one level: up/events/{type}.';
  const near = closest(first.toLowerCase(), FIRST_LEVELS);
  const meant = first !== near && distance(first.toLowerCase(), near) <= 2 ? `Did you mean up/${near}? ` : '';
  return `${meant}There are ${KNOWN}.`;
}
