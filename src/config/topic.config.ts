import { filterProblem, topicProblem, TopicTemplate } from '../common/topic.js';
import { Setting } from './setting.decorator.js';

/** One entry of DEVICE_TOPICS: where foreign devices publish readings and, if anywhere, listen for commands. */
export interface DeviceTopic {
  readonly telemetry: TopicTemplate;
  readonly command: TopicTemplate | null;
}

function prefix(text: string): string {
  const problem = topicProblem(text);
  if (problem) throw new Error(`must be one or two topic levels: ${problem}`);
  const levels = text.split('/');
  if (levels.length > 2 || levels.includes('') || text.includes('{'))
    throw new Error('must be one or two topic levels');
  if (levels[0] === 'services') throw new Error('may not be services, which is reserved');
  return text;
}

function template(text: string, what: string): TopicTemplate {
  const levels = text.split('/');
  const names = levels.filter((level) => level.includes('{') || level.includes('}'));
  if (names.length !== 1 || names[0] !== '{deviceId}') {
    throw new Error(`the ${what} template "${text}" must have exactly one level {deviceId}`);
  }
  const problem = topicProblem(text.replace('{deviceId}', 'x'));
  if (problem) throw new Error(`the ${what} template "${text}" is no topic: ${problem}`);
  if (levels[0] === '{deviceId}') throw new Error(`the ${what} template "${text}" must begin with a fixed level`);
  if (levels[0] === 'services')
    throw new Error(`the ${what} template "${text}" lies inside services/, which is reserved`);
  return new TopicTemplate(text);
}

function deviceTopics(text: string): DeviceTopic[] {
  if (text.trim() === '') return [];
  return text.split(';').map((entry) => {
    const [telemetry = '', command, ...more] = entry.split('=>').map((part) => part.trim());
    if (more.length > 0) throw new Error(`"${entry.trim()}" has more than one =>`);
    return {
      telemetry: template(telemetry, 'telemetry'),
      command: command === undefined ? null : template(command, 'command'),
    };
  });
}

function publishTopic(text: string): string {
  const problem = topicProblem(text);
  if (problem) throw new Error(`is no topic to publish to: ${problem}`);
  return text;
}

function filters(text: string): string[] {
  const list = text === '' ? [] : text.split(',').map((filter) => filter.trim());
  for (const filter of list) {
    const problem = filter.startsWith('$') ? '$-topics are not logged' : filterProblem(filter);
    if (problem) throw new Error(`"${filter}" is no topic filter: ${problem}`);
  }
  return list;
}

/** Which topics mean what. */
export class TopicConfig {
  /** First one or two levels of the native topics. */
  @Setting('TOPIC_PREFIX', 'devices', prefix)
  readonly prefix!: string;

  @Setting('DEVICE_TOPICS', 'poc/{deviceId}/sensor => poc/{deviceId}/control', deviceTopics)
  readonly deviceTopics!: readonly DeviceTopic[];

  /** Where `POST /publish` without a topic goes. */
  @Setting('PUBLISH_TOPIC', 'demo/signalbox/pub', publishTopic)
  readonly publishTopic!: string;

  /** Filters whose messages are kept in the raw message log. */
  @Setting('MESSAGE_TOPICS', 'demo/#,/flask/#', filters)
  readonly messageTopics!: readonly string[];
}
