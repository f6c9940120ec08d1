import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ANYONE, BROKER, devicePrincipal, type Principal, type Tags } from '../common/access.js';
import { TopicTemplate } from '../common/topic.js';
import { mayPublish, maySubscribe, publishRights, subscribeRights, type Topics, willTopic } from './topic-rights.js';

const topics: Topics = {
  prefix: 'devices',
  deviceTopics: [
    { telemetry: new TopicTemplate('poc/{deviceId}/sensor'), command: new TopicTemplate('poc/{deviceId}/control') },
    { telemetry: new TopicTemplate('meter/{deviceId}'), command: null },
  ],
  messageTopics: ['demo/#', '/flask/#'],
};

function key(scopes: readonly string[], tags: Tags | null = null): Principal {
  return { kind: 'key', id: 'k', scopes: new Set(scopes), tags };
}

const deviceId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,20}$/);

describe('The rights of a device', () => {
  const device = devicePrincipal('lamp-1');

  it('are its own up/ and down/, and its own foreign topics', () => {
    expect(publishRights(device, topics)).toEqual(['devices/lamp-1/up/#', 'poc/lamp-1/sensor', 'meter/lamp-1']);
    expect(subscribeRights(device, topics)).toEqual(['devices/lamp-1/down/#', 'poc/lamp-1/control']);
    expect(willTopic(device, topics)).toBe('devices/lamp-1/up/status');
  });

  it('never reach a topic of another device', () => {
    fc.assert(
      fc.property(deviceId, deviceId, (one, other) => {
        fc.pre(one !== other);
        const publish = publishRights(devicePrincipal(one), topics);
        const subscribe = subscribeRights(devicePrincipal(one), topics);
        for (const topic of [`devices/${other}/up/telemetry`, `poc/${other}/sensor`, `meter/${other}`]) {
          expect(mayPublish(publish, topic)).toBe(false);
        }
        for (const filter of [
          `devices/${other}/down/#`,
          `devices/+/down/#`,
          `poc/${other}/control`,
          '#',
          '+/+/down/#',
        ]) {
          expect(maySubscribe(subscribe, filter)).toBe(false);
        }
        expect(mayPublish(publish, `devices/${one}/down/commands/1`)).toBe(false);
        expect(maySubscribe(subscribe, `devices/${one}/up/#`)).toBe(false);
      }),
    );
  });
});

describe('The rights of a key', () => {
  it('are the requests of its scopes and their replies, one for one', () => {
    const reader = key(['telemetry:read']);
    expect(publishRights(reader, topics)).toEqual(['services/sensor/latest', 'services/sensor/history']);
    expect(subscribeRights(reader, topics)).toEqual(['services/sensor/latest/reply', 'services/sensor/history/reply']);
    expect(publishRights(key(['commands:send:turn']), topics)).toEqual(['services/control/send']);
    expect(publishRights(key(['stream:read', 'devices:write']), topics)).toEqual([]);
    expect(publishRights(key(['admin']), topics)).toEqual([
      'services/control/send',
      'services/control/get',
      'services/sensor/latest',
      'services/sensor/history',
      'services/sensor/record',
      'demo/#',
      '/flask/#',
    ]);
  });

  it('are MESSAGE_TOPICS with mqtt:publish and messages:read, each in its direction', () => {
    expect(publishRights(key(['mqtt:publish']), topics)).toEqual(['demo/#', '/flask/#']);
    expect(subscribeRights(key(['mqtt:publish']), topics)).toEqual([]);
    expect(subscribeRights(key(['messages:read']), topics)).toEqual(['demo/#', '/flask/#']);
    expect(publishRights(key(['messages:read']), topics)).toEqual([]);
  });

  it('leave out MESSAGE_TOPICS that reach below the native prefix or services/', () => {
    const wide = { ...topics, messageTopics: ['#', '+/x/#', 'devices/+/up/odd', 'services/#', 'poc/#', 'demo/#'] };
    for (const scopes of [['mqtt:publish', 'messages:read'], ['admin']]) {
      expect(publishRights(key(scopes), wide).filter((filter) => !filter.startsWith('services/'))).toEqual([
        'poc/#',
        'demo/#',
      ]);
    }
    expect(subscribeRights(key(['messages:read']), wide)).toEqual(['poc/#', 'demo/#']);
  });

  it('with tags leave out the topics of foreign devices too', () => {
    const tagged = key(['mqtt:publish', 'messages:read'], { site: 'north' });
    const wide = { ...topics, messageTopics: ['poc/#', 'meter/+', 'demo/#'] };
    expect(publishRights(tagged, wide)).toEqual(['demo/#']);
    expect(subscribeRights(tagged, wide)).toEqual(['demo/#']);
  });
});

describe('The rights of the others', () => {
  it('are everything but $-topics in open mode, and nothing for requests through a broker elsewhere', () => {
    expect(mayPublish(publishRights(ANYONE, topics), 'any/thing')).toBe(true);
    expect(mayPublish(publishRights(ANYONE, topics), '$SYS/x')).toBe(false);
    expect(maySubscribe(subscribeRights(ANYONE, topics), '#')).toBe(true);
    expect(maySubscribe(subscribeRights(ANYONE, topics), '$SYS/#')).toBe(false);
    expect([...publishRights(BROKER, topics), ...subscribeRights(BROKER, topics)]).toEqual([]);
    expect(willTopic(ANYONE, topics)).toBeNull();
  });
});
