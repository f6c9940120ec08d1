import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { MqttClient } from 'mqtt';
import { LimitedLog } from '../../common/limited-log.js';
import { hashOf } from '../../common/secrets.js';
import type { BrokerConfig } from '../../config/broker.config.js';
import { BrokerAccounts, type KeptAccount, type WantedAccount } from '../broker-accounts.js';
import { MqttErrors } from '../mqtt.errors.js';
import { clientOptions, publicUrl } from './client-options.js';
import { CLOSED, type Command, type ListedClient, type ListedRole, type Acl, Mark, Place } from './dynsec-commands.js';
import { Journal } from './journal.js';
import { LastingConnection } from './lasting.connection.js';
import { ProtocolChoice } from './protocol-choice.js';
import { PluginSilent, SubscriptionRefused } from './trouble.js';

const REQUESTS = '$CONTROL/dynamic-security/v1';
const RESPONSES = '$CONTROL/dynamic-security/v1/response';
/** How long the plugin may take. It writes its file anew with each change: measured, 10 ms with 2,000 accounts. */
const ANSWER_MS = 10_000;
/** How long a start waits for the broker. */
const START_MS = 5_000;
/** Accounts and roles in one answer. */
const PAGE = 500;
/** Attempts where somebody else changes the same account meanwhile. */
const ATTEMPTS = 3;
const FINGERPRINT_LENGTH = 16;
/** What the plugin says of a client or role that is not there. */
const MISSING = / not found$/;

const HINT =
  'Load the dynamic-security plugin at the broker, and give the login MQTT_USERNAME its role admin (docs/operations.md).';

interface Data {
  readonly client?: ListedClient;
  readonly clients?: readonly ListedClient[];
  readonly role?: ListedRole;
  readonly roles?: readonly ListedRole[];
  readonly acls?: readonly { readonly acltype: string; readonly allow: boolean }[];
}

interface Answer {
  readonly command?: string;
  readonly error?: string;
  readonly correlationData?: string;
  readonly data?: Data;
}

/**
 * The accounts of Mosquitto's dynamic-security plugin, over a connection with our own login, which must be an admin of the plugin.
 * The plugin takes passwords in plain text and keeps one for each account.
 */
export class DynamicSecurity extends BrokerAccounts {
  private readonly journal: Journal;
  private readonly connection: LastingConnection;
  private readonly mark: Mark;
  /** Responses go to everybody who may read them: ours carry this, and a number. */
  private readonly self = randomBytes(6).toString('hex');
  private readonly waiting = new Map<string, (answers: readonly Answer[] | null) => void>();
  private client: MqttClient | null = null;
  private asked = 0;
  private last: Promise<unknown> = Promise.resolve();
  private onReady: () => void = () => {};
  private settled: () => void = () => {};
  private readonly log = new LimitedLog(new Logger('BrokerAccounts'));

  constructor(broker: BrokerConfig) {
    super();
    const { url, shareGroup } = broker;
    if (!url) throw new Error('the dynamic-security plugin needs MQTT_URL');
    this.mark = new Mark(shareGroup);
    this.journal = new Journal(publicUrl(url), () => {
      if (this.journal.troubled) this.settled();
    });
    const line = {
      options: () => clientOptions(broker, url),
      protocol: new ProtocolChoice(),
      journal: this.journal,
    };
    this.connection = new LastingConnection(line, {
      name: 'accounts',
      settings: () => ({ clientId: `${shareGroup}-${this.self}`, clean: true }),
      made: (client) => this.made(client),
      connected: (client) => this.connected(client),
      gone: () => this.gone(),
      beforeRedial: () => Promise.resolve(),
    });
  }

  override get isReady(): boolean {
    return this.connection.isReady;
  }

  override async open(onReady: () => void): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const settled = new Promise<void>((resolve) => {
      this.settled = resolve;
      timer = setTimeout(resolve, START_MS);
    });
    this.onReady = () => {
      this.settled();
      onReady();
    };
    this.connection.open();
    await settled;
    clearTimeout(timer);
  }

  override async close(): Promise<void> {
    await this.connection.close();
  }

  override fingerprintOf(hash: string): string {
    return hash.slice(0, FINGERPRINT_LENGTH);
  }

  override async list(): Promise<ReadonlyMap<string, KeptAccount>> {
    const clients = await this.pages('listClients', ({ clients: page }) => page);
    const roles = await this.pages('listRoles', ({ roles: page }) => page);
    const acls = new Map<string, readonly Acl[]>();
    for (const { rolename, acls: rights = [] } of roles) {
      const owner = this.mark.deviceOf(rolename);
      if (owner !== null) acls.set(owner, rights);
    }
    const byName = new Map(clients.map((client) => [client.username, client]));
    const names = [...new Set([...byName.keys(), ...acls.keys()])];
    return new Map(names.map((name) => [name, this.place(name, byName.get(name), acls.get(name))]));
  }

  override async put(wanted: WantedAccount, secret: string | null): Promise<KeptAccount> {
    const fingerprint = secret === null ? null : this.fingerprintOf(hashOf(secret));
    const login = secret === null || fingerprint === null ? null : { secret, fingerprint };
    return this.change(wanted.deviceId, (place) => {
      if (!place.isOurs) {
        throw MqttErrors.BROKER_ACCOUNT_TAKEN('The broker has an account of this name that Signalbox did not make.');
      }
      return place.commandsFor(wanted, login);
    });
  }

  override async disable(name: string): Promise<void> {
    await this.change(name, (place) => (place.isOurs && place.enabled ? [disableCommand(name)] : []));
  }

  override async remove(name: string): Promise<void> {
    await this.change(name, (place) => (place.isOurs ? place.removal : []));
  }

  override async denyByDefault(): Promise<void> {
    const [answer] = await this.ask([{ command: 'getDefaultACLAccess' }]);
    const now = new Map((answer?.data?.acls ?? []).map(({ acltype, allow }) => [acltype, allow]));
    if (CLOSED.every(({ acltype, allow }) => now.get(acltype) === allow)) return;
    succeeded(await this.ask([{ command: 'setDefaultACLAccess', acls: CLOSED }]));
  }

  /** Does what `plan` makes of the present state, and again where somebody else came between. Resolves with what was there. */
  private change(name: string, plan: (place: Place) => readonly Command[]): Promise<Place> {
    const job = async (): Promise<Place> => {
      for (let attempt = 1; ; attempt++) {
        const place = await this.find(name);
        const commands = plan(place);
        const answers = commands.length === 0 ? [] : await this.ask(commands);
        if (attempt === ATTEMPTS) succeeded(answers);
        if (answers.every(({ error }) => error === undefined)) return place;
      }
    };
    // One after the other, as the plugin works: else the last of many would wait longer than an answer may take.
    const result = this.last.then(job);
    this.last = result.catch(() => {});
    return result;
  }

  private async find(name: string): Promise<Place> {
    const rolename = this.mark.roleOf(name);
    const answers = await this.ask([
      { command: 'getClient', username: name },
      { command: 'getRole', rolename },
    ]);
    succeeded(answers.filter(({ error }) => error === undefined || !MISSING.test(error)));
    const [client, role] = answers;
    const acls = role?.data?.role && (role.data.role.acls ?? []);
    return this.place(name, client?.data?.client, acls);
  }

  private place(name: string, client: ListedClient | undefined, acls: readonly Acl[] | undefined): Place {
    return new Place(name, this.mark, client ?? null, acls ?? null);
  }

  private async pages<T>(command: string, itemsOf: (data: Data) => readonly T[] | undefined): Promise<T[]> {
    const all: T[] = [];
    for (;;) {
      const answers = await this.ask([{ command, verbose: true, count: PAGE, offset: all.length }]);
      succeeded(answers);
      const page = itemsOf(answers[0]?.data ?? {}) ?? [];
      all.push(...page);
      if (page.length < PAGE) return all;
    }
  }

  private async ask(commands: readonly Command[]): Promise<readonly Answer[]> {
    const { client } = this;
    if (!client || !this.isReady) throw unavailable('The MQTT broker is away, and it keeps the accounts of devices.');
    const answers = await this.askOver(client, commands);
    if (answers?.length === commands.length) return answers;
    if (this.client !== client) throw unavailable('The MQTT broker went away before it answered.');
    this.log.warn('accounts', () => ({
      msg: 'the broker does not do what it is asked with accounts',
      commands: commands.map(({ command }) => command),
      hint: HINT,
    }));
    throw unavailable('The MQTT broker keeps the accounts of devices, and did not answer.');
  }

  /** Resolves with null where no answer comes. */
  private async askOver(client: MqttClient, commands: readonly Command[]): Promise<readonly Answer[] | null> {
    const correlationData = `${this.self}-${++this.asked}`;
    const payload = JSON.stringify({ commands: commands.map((command) => ({ ...command, correlationData })) });
    return new Promise((resolve) => {
      const settle = (answers: readonly Answer[] | null): void => {
        this.waiting.delete(correlationData);
        clearTimeout(timer);
        resolve(answers);
      };
      const timer = setTimeout(() => settle(null), ANSWER_MS);
      this.waiting.set(correlationData, settle);
      client.publish(REQUESTS, payload, { qos: 1 }, (error) => {
        if (error) settle(null);
      });
    });
  }

  private made(client: MqttClient): void {
    client.on('message', (topic, payload) => {
      if (topic === RESPONSES) this.hear(payload);
    });
  }

  private async connected(client: MqttClient): Promise<void> {
    const [grant] = await client.subscribeAsync(RESPONSES, { qos: 1 }).catch(() => []);
    if (!grant || grant.qos > 2) throw new SubscriptionRefused([RESPONSES]);
    this.client = client;
    const answers = await this.askOver(client, [{ command: 'getDefaultACLAccess' }]);
    if (answers?.length !== 1 || answers[0]?.error !== undefined) throw new PluginSilent();
    setImmediate(() => {
      if (this.client === client) this.onReady();
    });
  }

  private gone(): void {
    this.client = null;
    for (const settle of this.waiting.values()) settle(null);
  }

  /** Whatever cannot be read is nobody's answer: who waits for it is told so when the time is up. */
  private hear(payload: Buffer): void {
    let responses: readonly Answer[];
    try {
      ({ responses = [] } = JSON.parse(payload.toString('utf8')) as { readonly responses?: readonly Answer[] });
    } catch {
      return;
    }
    const id = responses[0]?.correlationData;
    if (id !== undefined) this.waiting.get(id)?.(responses);
  }
}

function disableCommand(username: string): Command {
  return { command: 'disableClient', username };
}

function succeeded(answers: readonly Answer[]): void {
  const failed = answers.find(({ error }) => error !== undefined);
  if (failed) throw unavailable(`The MQTT broker did not accept ${failed.command}: ${failed.error}.`);
}

function unavailable(detail: string): Error {
  return MqttErrors.BROKER_UNAVAILABLE(detail, { retryAfter: 5 });
}
