import type { Principal } from '../../common/access.js';
import { coversFilter } from '../filter-cover.js';
import { mayPublish, maySubscribe, publishRights, subscribeRights, type Topics, willTopic } from '../topic-rights.js';

/** Which topics one client of our broker may use. Whoever holds `admin` may do what anybody may in open mode. */
export class ClientRights {
  private readonly publish: readonly string[];
  private readonly subscribe: readonly string[];
  private readonly will: string | null;
  private readonly all: boolean;

  constructor(principal: Principal, topics: Topics) {
    this.publish = publishRights(principal, topics);
    this.subscribe = subscribeRights(principal, topics);
    this.will = willTopic(principal, topics);
    this.all = principal.scopes.has('admin');
  }

  /** `topic` must be a valid one, as below. */
  mayPublish(topic: string): boolean {
    return this.all || mayPublish(this.publish, topic);
  }

  /** True where the topic may be that of its will. */
  mayLeaveWill(topic: string): boolean {
    return this.will === null ? this.mayPublish(topic) : topic === this.will;
  }

  /** True where it may have all messages that match the filter. */
  maySubscribe(filter: string): boolean {
    return this.all || maySubscribe(this.subscribe, filter);
  }

  /** True where a subscription that it may have matches the topic. */
  mayReceive(topic: string): boolean {
    return this.all || this.subscribe.some((filter) => coversFilter(filter, topic));
  }
}
