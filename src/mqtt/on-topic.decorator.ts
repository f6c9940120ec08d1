import { applyDecorators, UseFilters } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { RpcFilter } from '../common/rpc.filter.js';
import type { TopicMessage } from './message.js';
import { MQTT_TRANSPORT } from './mqtt-transport.js';

/**
 * `handle` (default): takes part in deciding what the message is. `observe`: sees it too, but a topic that only observers
 * match counts as unknown. `fallback`: runs only when no `handle` handler matches.
 */
export type HandlerRole = 'handle' | 'observe' | 'fallback';

export type IsBulk = (payload: Buffer) => boolean;

export interface OnTopicOptions {
  readonly role?: HandlerRole;
  /** True for a payload that is much work: it is handed over apart from other clients' messages, so that they need not wait for it. */
  readonly isBulk?: IsBulk;
}

type BatchHandler = (messages: readonly TopicMessage[]) => Promise<void>;

/**
 * Registers a handler for a topic template: levels, `{name}` for one level that is passed as `params.name`, `{name#}` at the
 * end for all that is left. `{prefix}` is TOPIC_PREFIX; a template that is exactly `{foreign}` or `{logged}` stands for the
 * telemetry templates of DEVICE_TOPICS and the filters of MESSAGE_TOPICS.
 *
 * The handler gets a batch, `(messages: readonly TopicMessage[]) => Promise<void>`: all messages for its template that came
 * in during one turn of the event loop, in order of arrival, where the bulk of one client comes in batches of its own. Its promise is their acknowledgement: resolved = all are
 * acknowledged, rejected = none is and their connections are dropped, so that they are sent again. Errors keep their code.
 */
export function OnTopic(
  template: string,
  options: OnTopicOptions = {},
): (target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<BatchHandler>) => void {
  const { role = 'handle', isBulk = () => false } = options;
  // oxlint-disable-next-line no-unnecessary-type-arguments -- without it the compiler infers a form that is no decorator
  return applyDecorators(EventPattern<string>(template, MQTT_TRANSPORT, { role, isBulk }), UseFilters(RpcFilter));
}
