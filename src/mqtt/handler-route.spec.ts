import { describe, expect, it } from '@jest/globals';
import { TopicTemplate } from '../common/topic.js';
import { TopicConfig } from '../config/topic.config.js';
import { HandlerRoute, matchRoutes } from './handler-route.js';
import type { HandlerRole } from './on-topic.decorator.js';

const topics = Object.assign(new TopicConfig(), {
  prefix: 'site/devices',
  deviceTopics: ['poc/{deviceId}/sensor', 'poc/a/{deviceId}'].map((telemetry) => ({
    telemetry: new TopicTemplate(telemetry),
    command: null,
  })),
  messageTopics: ['demo/#'],
});
const route = (pattern: string, role: HandlerRole = 'handle'): HandlerRoute => new HandlerRoute(pattern, role, topics);

describe('HandlerRoute', () => {
  it('puts the prefix in its place', () => {
    expect(route('{prefix}/{deviceId}/up/{rest#}').match('site/devices/d/up/a/b')).toEqual({
      deviceId: 'd',
      rest: 'a/b',
    });
    expect(route('{prefix}/{deviceId}/up/{rest#}').filters).toEqual(['site/devices/+/up/#']);
  });

  it('takes the first foreign template that matches', () => {
    expect(route('{foreign}').match('poc/a/sensor')).toEqual({ deviceId: 'a' });
    expect(route('{foreign}').match('poc/a/b')).toEqual({ deviceId: 'b' });
    expect(route('{foreign}').match('poc/b/c')).toBeNull();
  });

  it('stands for the filters of the message log', () => {
    expect(route('{logged}').match('demo/x')).toEqual({});
    expect(route('{logged}').match('other')).toBeNull();
  });
});

describe('matchRoutes', () => {
  const handle = route('a/{id}');
  const observe = route('a/#', 'observe');
  const fallback = route('a/#', 'fallback');

  it('leaves fallbacks out where a handler handles the topic', () => {
    expect(matchRoutes([fallback, observe, handle], 'a/b').map((match) => match.route)).toEqual([observe, handle]);
  });

  it('runs fallbacks and observers where none handles it', () => {
    expect(matchRoutes([handle, observe, fallback], 'a/b/c').map((match) => match.route)).toEqual([observe, fallback]);
  });

  it('finds nothing for a topic that nobody wants', () => {
    expect(matchRoutes([handle, observe, fallback], 'b')).toEqual([]);
  });
});
