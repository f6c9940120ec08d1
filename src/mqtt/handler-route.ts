import { TopicTemplate } from '../common/topic.js';
import type { TopicConfig } from '../config/topic.config.js';
import type { HandlerRole } from './on-topic.decorator.js';

/** Which topics one registered handler is for. */
export class HandlerRoute {
  private readonly templates: readonly TopicTemplate[];

  constructor(
    pattern: string,
    readonly role: HandlerRole,
    topics: TopicConfig,
  ) {
    if (pattern === '{foreign}') this.templates = topics.deviceTopics.map(({ telemetry }) => telemetry);
    else if (pattern === '{logged}') this.templates = topics.messageTopics.map((filter) => new TopicTemplate(filter));
    else this.templates = [new TopicTemplate(pattern.replace('{prefix}', topics.prefix))];
  }

  get filters(): readonly string[] {
    return this.templates.map(({ filter }) => filter);
  }

  /** The named levels of `topic` by the first template that matches, or null where none does. */
  match(topic: string): Readonly<Record<string, string>> | null {
    for (const template of this.templates) {
      const params = template.match(topic);
      if (params) return params;
    }
    return null;
  }
}

/** A route that a topic takes, with the levels that its template names. */
export interface Match<R> {
  readonly route: R;
  readonly params: Readonly<Record<string, string>>;
}

/** Every route that `topic` takes: all that handle or observe it, and the fallbacks where none handles it. */
export function matchRoutes<R extends HandlerRoute>(routes: readonly R[], topic: string): readonly Match<R>[] {
  const matches: Match<R>[] = [];
  for (const route of routes) {
    const params = route.match(topic);
    if (params) matches.push({ route, params });
  }
  const handled = matches.some(({ route }) => route.role === 'handle');
  return handled ? matches.filter(({ route }) => route.role !== 'fallback') : matches;
}
