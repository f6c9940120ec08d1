import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { WantedAccount } from '../broker-accounts.js';
import { type Acl, type Command, type ListedClient, type Login, Mark, Place } from './dynsec-commands.js';

const mark = new Mark('signalbox');
const role = mark.roleOf('lamp');
const wanted: WantedAccount = {
  deviceId: 'lamp',
  enabled: true,
  fingerprints: ['valid'],
  publish: ['devices/lamp/up/#'],
  subscribe: ['devices/lamp/down/#'],
};
const acls: Acl[] = [
  { acltype: 'publishClientSend', topic: 'devices/lamp/up/#', allow: true },
  { acltype: 'publishClientReceive', topic: 'devices/lamp/down/#', allow: true },
  { acltype: 'subscribePattern', topic: 'devices/lamp/down/#', allow: true },
];
const client: ListedClient = {
  username: 'lamp',
  clientid: 'lamp',
  textname: mark.text,
  textdescription: 'valid',
  roles: [{ rolename: role }],
  groups: [],
};

/** What the plugin makes of commands, as it was seen to (Mosquitto 2.0.11). */
function apply(place: Place, commands: readonly Command[]): Place {
  let { client: kept, acls: rights } = place as { client: ListedClient | null; acls: readonly Acl[] | null };
  for (const { command, ...fields } of commands) {
    const { password: _password, ...told } = fields;
    if (command === 'createRole' || command === 'modifyRole') rights = fields['acls'] as Acl[];
    else if (command === 'createClient') kept = { groups: [], ...told } as unknown as ListedClient;
    else if (command === 'modifyClient') kept = { ...kept, ...told } as ListedClient;
    else if (command === 'disableClient') kept = { ...kept!, disabled: true };
    else if (command === 'enableClient') kept = { ...kept!, disabled: false };
    else throw new Error(`${command} was not expected`);
  }
  return new Place('lamp', mark, kept, rights);
}

const names = (commands: readonly Command[]): string[] => commands.map(({ command }) => command);
const someClient = fc.record(
  {
    username: fc.constant('lamp'),
    clientid: fc.constantFrom('lamp', 'other'),
    textname: fc.constant(mark.text),
    textdescription: fc.constantFrom('valid', 'old'),
    disabled: fc.boolean(),
    roles: fc.subarray([{ rolename: role }, { rolename: 'admin' }]),
    groups: fc.subarray([{ groupname: 'friends' }]),
  },
  { requiredKeys: ['username', 'textname'] },
);
const someAcls = fc.subarray([...acls, { acltype: 'publishClientSend', topic: '#', allow: true }]);

describe('The commands for the account of a device', () => {
  it('are none where all is as wanted', () => {
    expect(new Place('lamp', mark, client, acls).compare(wanted)).toBe('equal');
    expect(new Place('lamp', mark, client, acls.toReversed()).compare(wanted)).toBe('equal');
  });

  it('make account and role with the login, and nothing without one', () => {
    const empty = new Place('lamp', mark, null, null);
    const login = { secret: 'secret', fingerprint: 'new' };
    expect(empty.commandsFor(wanted, login)).toEqual([
      { command: 'createRole', rolename: role, textname: mark.text, acls },
      {
        command: 'createClient',
        username: 'lamp',
        clientid: 'lamp',
        textname: mark.text,
        roles: [{ rolename: role }],
        password: 'secret',
        textdescription: 'new',
      },
    ]);
    expect(names(empty.commandsFor({ ...wanted, enabled: false }, login))).toEqual([
      'createRole',
      'createClient',
      'disableClient',
    ]);
    expect(empty.commandsFor(wanted, null)).toEqual([]);
  });

  it('shut the account where its password is no valid one any more', () => {
    const place = new Place('lamp', mark, { ...client, textdescription: 'old' }, acls);
    expect(place.commandsFor(wanted, null)).toEqual([{ command: 'disableClient', username: 'lamp' }]);
    expect(names(place.commandsFor(wanted, { secret: 'secret', fingerprint: 'new' }))).toEqual(['modifyClient']);
  });

  it('leave accounts of others alone, installations with another share group included', () => {
    const others: ListedClient[] = [
      { username: 'lamp' },
      { username: 'lamp', textname: 'signalbox' },
      { username: 'lamp', textname: new Mark('other').text, roles: [{ rolename: new Mark('other').roleOf('lamp') }] },
      { username: 'lamp', roles: [{ rolename: mark.roleOf('another') }] },
    ];
    for (const other of others) expect(new Place('lamp', mark, other, null).compare(wanted)).toBe('taken');
    expect(new Mark('other').deviceOf(role)).toBeNull();
    expect(mark.deviceOf(role)).toBe('lamp');
  });

  it('bring any account to what is wanted at once, and never leave it open without a valid password', () => {
    const wish = fc.record({
      enabled: fc.boolean(),
      fingerprints: fc.subarray(['valid', 'other']),
      login: fc.option(fc.constant<Login>({ secret: 'secret', fingerprint: 'valid' })),
    });
    fc.assert(
      fc.property(fc.option(someClient), fc.option(someAcls), wish, (kept, rights, { login, ...asked }) => {
        const before = new Place('lamp', mark, kept, rights);
        const now = { ...wanted, ...asked };
        const after = apply(before, before.commandsFor(now, login));
        // What was handed over is valid once it is committed.
        const then = login ? { ...now, fingerprints: ['valid'] } : now;
        expect(after.compare(then)).toBe('equal');
        const isValid = login !== null || now.fingerprints.includes(after.fingerprint ?? '');
        expect(after.enabled).toBe(now.enabled && isValid && after.client !== null);
        if (after.client) expect(after.client.roles).toEqual([{ rolename: role }]);
      }),
    );
  });
});
