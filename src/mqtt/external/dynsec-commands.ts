import type { AccountVerdict, KeptAccount, WantedAccount } from '../broker-accounts.js';

/** A command of Mosquitto's dynamic-security plugin (2.0), as it goes to `$CONTROL/dynamic-security/v1`. */
export interface Command {
  readonly command: string;
  readonly [field: string]: unknown;
}

/** One right of a role. `topic` may be a filter. */
export interface Acl {
  readonly acltype: string;
  readonly topic: string;
  readonly allow: boolean;
}

/** A client as the plugin lists it. */
export interface ListedClient {
  readonly username: string;
  readonly clientid?: string;
  readonly textname?: string;
  readonly textdescription?: string;
  readonly disabled?: boolean;
  readonly roles?: readonly { readonly rolename: string }[];
  readonly groups?: readonly { readonly groupname: string }[];
}

/** A role as the plugin lists it. */
export interface ListedRole {
  readonly rolename: string;
  readonly acls?: readonly Acl[];
}

/** What no right allows is forbidden, but for leaving a subscription. */
export const CLOSED: readonly { readonly acltype: string; readonly allow: boolean }[] = [
  { acltype: 'publishClientSend', allow: false },
  { acltype: 'publishClientReceive', allow: false },
  { acltype: 'subscribe', allow: false },
  { acltype: 'unsubscribe', allow: true },
];

/**
 * How accounts and roles of ours are told from others': by their text name, and by the role that only they have. Installations
 * that share a broker have different share groups, and leave each other's alone.
 */
export class Mark {
  readonly text: string;

  constructor(shareGroup: string) {
    this.text = `signalbox:${shareGroup}`;
  }

  /** The role of a device. One for each, because version 2.0 does not put names in place of patterns. */
  roleOf(deviceId: string): string {
    return `${this.text}:${deviceId}`;
  }

  isOn({ username, textname, roles = [] }: ListedClient): boolean {
    return textname === this.text || roles.some(({ rolename }) => rolename === this.roleOf(username));
  }

  /** Whose role this is, or null where it is not one of ours. */
  deviceOf(rolename: string): string | null {
    return rolename.startsWith(`${this.text}:`) ? rolename.slice(this.text.length + 1) : null;
  }
}

/** A place for an account: what is there, with the rights of its role; null for what is not there. */
export class Place implements KeptAccount {
  constructor(
    readonly name: string,
    private readonly mark: Mark,
    readonly client: ListedClient | null,
    readonly acls: readonly Acl[] | null,
  ) {}

  get isOurs(): boolean {
    return this.client === null || this.mark.isOn(this.client);
  }

  get enabled(): boolean {
    return this.client !== null && this.client.disabled !== true;
  }

  get fingerprint(): string | null {
    return this.client?.textdescription ?? null;
  }

  compare(wanted: WantedAccount): AccountVerdict {
    if (!this.isOurs) return 'taken';
    return this.commandsFor(wanted, null).length === 0 ? 'equal' : 'different';
  }

  /** What makes the account as it is wanted: closed first where it must be closed, opened last. `login`: a new password. */
  commandsFor(wanted: WantedAccount, login: Login | null): Command[] {
    const { name: username, client } = this;
    // Without a password nobody could log in.
    if (client === null && login === null) return [];
    const fingerprint = login?.fingerprint ?? this.fingerprint;
    const opens =
      wanted.enabled && fingerprint !== null && (login !== null || wanted.fingerprints.includes(fingerprint));
    return [
      ...(this.enabled && !opens ? [{ command: 'disableClient', username }] : []),
      ...this.roleCommands(wanted),
      ...this.clientCommands(login),
      // A client that was just made is open.
      ...(client === null && !opens ? [{ command: 'disableClient', username }] : []),
      ...(client?.disabled === true && opens ? [{ command: 'enableClient', username }] : []),
    ];
  }

  /** What removes both. */
  get removal(): Command[] {
    const rolename = this.mark.roleOf(this.name);
    return [
      ...(this.client ? [{ command: 'deleteClient', username: this.name }] : []),
      ...(this.acls ? [{ command: 'deleteRole', rolename }] : []),
    ];
  }

  private roleCommands({ publish, subscribe }: WantedAccount): Command[] {
    const rolename = this.mark.roleOf(this.name);
    const allow = (acltype: string) => (topic: string) => ({ acltype, topic, allow: true });
    const acls = [
      ...publish.map(allow('publishClientSend')),
      ...subscribe.flatMap((filter) => [allow('publishClientReceive')(filter), allow('subscribePattern')(filter)]),
    ];
    if (this.acls === null) return [{ command: 'createRole', rolename, textname: this.mark.text, acls }];
    return sameSet(this.acls.map(aclText), acls.map(aclText)) ? [] : [{ command: 'modifyRole', rolename, acls }];
  }

  private clientCommands(login: Login | null): Command[] {
    const { name: username, client, mark } = this;
    const rolename = mark.roleOf(username);
    const identity = { username, clientid: username, textname: mark.text, roles: [{ rolename }] };
    const secret = login ? { password: login.secret, textdescription: login.fingerprint } : {};
    if (client === null) return [{ command: 'createClient', ...identity, ...secret }];
    const isAsItWas =
      client.clientid === username &&
      client.textname === mark.text &&
      sameSet(
        (client.roles ?? []).map((role) => role.rolename),
        [rolename],
      ) &&
      (client.groups ?? []).length === 0;
    return isAsItWas && !login ? [] : [{ command: 'modifyClient', ...identity, groups: [], ...secret }];
  }
}

/** A password, and what is kept beside it. */
export interface Login {
  readonly secret: string;
  readonly fingerprint: string;
}

function aclText({ acltype, topic, allow }: Acl): string {
  return `${acltype} ${String(allow)} ${topic}`;
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  const all = new Set(one);
  return all.size === new Set(other).size && one.length === all.size && other.every((text) => all.has(text));
}
