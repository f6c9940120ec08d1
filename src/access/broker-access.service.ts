import { Injectable, Logger } from '@nestjs/common';
import { devicePrincipal, type Principal } from '../common/access.js';
import type { Json } from '../common/json.js';
import { LimitedLog } from '../common/limited-log.js';
import { hashOf, isHashOf } from '../common/secrets.js';
import { filterProblem, topicProblem } from '../common/topic.js';
import { AccessConfig } from '../config/access.config.js';
import { AccessMode } from '../config/access.mode.js';
import { BrokerConfig } from '../config/broker.config.js';
import { TopicConfig } from '../config/topic.config.js';
import { RegistryService } from '../device/registry.service.js';
import { isGatewayClientId } from '../mqtt/gateway-ids.js';
import { mayPublish, maySubscribe, publishRights, subscribeRights } from '../mqtt/topic-rights.js';
import {
  type AclRule,
  aclOf,
  asSeenThroughBroker,
  type ClientAction,
  type ClientFacts,
  OWN_ACL,
  readClientAction,
  readClientFacts,
} from './broker-acl.js';
import { keyPrincipal } from './key.js';
import { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';
import { MqttAccess } from './mqtt-access.service.js';

/** An answer in the form of EMQX 5 (HTTP authentication and authorization). `expire_at` in epoch seconds: then the broker asks again. */
export interface BrokerAnswer {
  readonly result: 'allow' | 'deny';
  readonly is_superuser?: false;
  readonly acl?: readonly AclRule[];
  readonly expire_at?: number;
}

/** The answer to all that is not plainly allowed. */
export const DENY: BrokerAnswer = { result: 'deny' };
const ALLOW: BrokerAnswer = { result: 'allow', is_superuser: false };

/** How long a login holds at most, in milliseconds: nobody tells such a broker of a revocation. Spread, so that not all come back at once. */
const LOGIN_MS = 24 * 3_600_000;
const SPREAD_MS = 6 * 3_600_000;
const BEARER = /^bearer +(\S+) *$/i;

/**
 * Answers a broker elsewhere that asks who may connect, and who may do what. Whatever is not plainly allowed is denied; in open
 * mode that is everything, because nobody has a login then.
 */
@Injectable()
export class BrokerAccessService {
  private readonly log = new LimitedLog(new Logger('BrokerAccess'));

  constructor(
    private readonly config: AccessConfig,
    private readonly mode: AccessMode,
    private readonly broker: BrokerConfig,
    private readonly topics: TopicConfig,
    private readonly clients: MqttAccess,
    private readonly logins: LoginService,
    private readonly registry: RegistryService,
    private readonly keys: KeyRing,
  ) {}

  /** True where the header Authorization of the broker's request carries MQTT_AUTH_SECRET, and logins are required at all. */
  trusts(authorization: string | undefined): boolean {
    const { brokerSecret } = this.config;
    const [, given = ''] = BEARER.exec(authorization ?? '') ?? [];
    const matches = isHashOf(hashOf(brokerSecret), given);
    if (!this.mode.required) return this.distrust('open', 'Set ACCESS=required: in open mode nobody has a login.');
    if (brokerSecret === '') return this.distrust('unset', 'Set MQTT_AUTH_SECRET, and let the broker send it.');
    return (
      matches || this.distrust('secret', 'Let it send MQTT_AUTH_SECRET in the header Authorization: Bearer <secret>.')
    );
  }

  /** Whether the client may connect, and all that it may do. Rejects with STORAGE_UNAVAILABLE. */
  async authenticate(body: Json | undefined): Promise<BrokerAnswer> {
    const facts = readClientFacts(body);
    if (!facts) return this.unreadable();
    if (this.isOurs(facts)) return this.ourselves(facts);
    // Without it all would share one count of failed logins.
    if (facts.address === '') return this.unreadable();
    if (isGatewayClientId(facts.clientId, this.broker)) return DENY;
    const { clientId, username, password, address, certificateName } = facts;
    const admitted = await this.clients.logIn({
      clientId,
      username: username === '' ? null : username,
      password: password === '' ? null : Buffer.from(password),
      address,
      certificateName: certificateName === '' ? null : certificateName,
    });
    if (!admitted) return DENY;
    const end = Date.now() + LOGIN_MS - Math.random() * SPREAD_MS;
    return {
      ...ALLOW,
      acl: aclOf(asSeenThroughBroker(admitted.principal), this.topics),
      expire_at: Math.floor(Math.min(admitted.expiresAt ?? end, end) / 1_000),
    };
  }

  /** Whether a client that the broker has let in may do something. Rejects with STORAGE_UNAVAILABLE. */
  async authorize(body: Json | undefined): Promise<BrokerAnswer> {
    const facts = readClientFacts(body);
    const asked = readClientAction(body);
    if (!facts || !asked) return this.unreadable();
    if (this.isOurs(facts)) return isLawful(asked) ? ALLOW : DENY;
    const principal = await this.present(facts);
    return principal && isLawful(asked) && this.allows(principal, asked) ? ALLOW : DENY;
  }

  /** A wrong password is counted and slowed as any other, but locks nobody out: that would be a way to keep us from the broker. */
  private async ourselves({ username, password, address }: ClientFacts): Promise<BrokerAnswer> {
    const { password: ours } = this.broker;
    if (isHashOf(hashOf(ours), password) && ours !== '') return { ...ALLOW, acl: OWN_ACL };
    await this.logins.refuse(username, address);
    return DENY;
  }

  /** Whoever is connected in these words; null where that is nobody any more. */
  private async present(facts: ClientFacts): Promise<Principal | null> {
    const { clientId, username } = facts;
    if (isGatewayClientId(clientId, this.broker)) return null;
    if (username === clientId || this.hasCertificate(facts)) {
      return (await this.registry.logInByCertificate(clientId)) && devicePrincipal(clientId);
    }
    const [key, isDevice] = await Promise.all([this.keys.get(username), this.registry.isRegistered(clientId)]);
    return key && !isDevice ? asSeenThroughBroker(keyPrincipal(key)) : null;
  }

  private allows(principal: Principal, { action, topic }: ClientAction): boolean {
    return action === 'publish'
      ? mayPublish(publishRights(principal, this.topics), topic)
      : maySubscribe(subscribeRights(principal, this.topics), topic);
  }

  /** A certificate speaks for the device of its name alone, whatever user name comes with it. */
  private hasCertificate({ clientId, username, certificateName }: ClientFacts): boolean {
    return certificateName !== '' && certificateName === clientId && (username === '' || username === clientId);
  }

  private isOurs({ username }: ClientFacts): boolean {
    return username !== '' && username === this.broker.username;
  }

  private distrust(reason: string, hint: string): false {
    this.log.warn(reason, () => ({ msg: 'a broker that asked who may connect was told nobody', reason, hint }));
    return false;
  }

  private unreadable(): BrokerAnswer {
    this.log.warn('body', () => ({
      msg: 'a broker asked something that cannot be read',
      reason: 'body',
      hint: 'Configure its request as docs/operations.md shows.',
    }));
    return DENY;
  }
}

/** Nothing is granted on `$`-topics, nor on what is no topic. */
function isLawful({ action, topic }: ClientAction): boolean {
  return (action === 'publish' ? topicProblem(topic) : filterProblem(topic)) === null && !topic.startsWith('$');
}
