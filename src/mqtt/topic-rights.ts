import { holds, type Principal, type Scope } from '../common/access.js';
import { matchesFilter } from '../common/topic.js';
import type { TopicConfig } from '../config/topic.config.js';
import { coversFilter, filtersOverlap } from './filter-cover.js';

/** Which topics mean what, as far as rights go by it. */
export type Topics = Pick<TopicConfig, 'prefix' | 'deviceTopics' | 'messageTopics'>;

/** The requests of other services (contract, section 10), and the scope that each needs. */
export const REQUEST_SCOPES: Readonly<Record<string, Scope>> = {
  'services/control/send': 'commands:send',
  'services/control/get': 'commands:read',
  'services/sensor/latest': 'telemetry:read',
  'services/sensor/history': 'telemetry:read',
  'services/sensor/record': 'telemetry:write',
};

/**
 * The topics that a client may publish to, as filters; nothing else. A device: its own `up/`, and its own places in DEVICE_TOPICS.
 * A key: the requests that its scopes allow, and with `mqtt:publish` MESSAGE_TOPICS. Whoever is there in open mode: everything that
 * does not start with `$`.
 */
export function publishRights(principal: Principal, topics: Topics): string[] {
  const { kind, id } = principal;
  if (kind === 'anyone') return ['#'];
  if (kind === 'key') return [...requests(principal), ...messages(principal, 'mqtt:publish', topics)];
  if (kind !== 'device') return [];
  const foreign = topics.deviceTopics.map(({ telemetry }) => telemetry.topicFor({ deviceId: id }));
  return [`${topics.prefix}/${id}/up/#`, ...foreign];
}

/** The filters that a client may subscribe to, with all that they cover; nothing else. The counterpart of {@link publishRights}. */
export function subscribeRights(principal: Principal, topics: Topics): string[] {
  const { kind, id } = principal;
  if (kind === 'anyone') return ['#'];
  if (kind === 'key') {
    const replies = requests(principal).map((topic) => `${topic}/reply`);
    return [...replies, ...messages(principal, 'messages:read', topics)];
  }
  if (kind !== 'device') return [];
  const foreign = topics.deviceTopics.flatMap(({ command }) => command?.topicFor({ deviceId: id }) ?? []);
  return [`${topics.prefix}/${id}/down/#`, ...foreign];
}

/** The only topic of a device's will; null: a will may go wherever the client may publish. */
export function willTopic(principal: Principal, { prefix }: Topics): string | null {
  return principal.kind === 'device' ? `${prefix}/${principal.id}/up/status` : null;
}

/** True where one of the rights allows to publish to `topic`, which must be a valid one. */
export function mayPublish(rights: readonly string[], topic: string): boolean {
  return rights.some((right) => matchesFilter(right, topic));
}

/** True where one of the rights covers all of `filter`, which must be a valid one. */
export function maySubscribe(rights: readonly string[], filter: string): boolean {
  return rights.some((right) => coversFilter(right, filter));
}

function requests(principal: Principal): string[] {
  return Object.entries(REQUEST_SCOPES).flatMap(([topic, scope]) => (holds(principal, scope) ? [topic] : []));
}

/**
 * MESSAGE_TOPICS, but for filters that reach below the native prefix or `services/`: what passes there speaks for devices and
 * other services. For a key with tags, topics of foreign devices are left out too, because it sees some devices only.
 */
function messages(principal: Principal, scope: Scope, { prefix, deviceTopics, messageTopics }: Topics): string[] {
  if (!holds(principal, scope)) return [];
  const foreign = deviceTopics.flatMap(({ telemetry, command }) => [telemetry, ...(command ? [command] : [])]);
  const closed = [`${prefix}/#`, 'services/#', ...(principal.tags === null ? [] : foreign.map(({ filter }) => filter))];
  return messageTopics.filter((filter) => !closed.some((other) => filtersOverlap(filter, other)));
}
