import { afterAll, beforeAll, expect } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { together } from '../support/together.js';
import { type DynsecBox, startDynsecBox } from './dynsec-box.js';
import { DynsecBroker, GATEWAY } from './dynsec-broker.js';

const LOOK_MS = 30_000;

describeWith(['mosquitto'], 'What somebody changes by hand at a Mosquitto whose accounts Signalbox keeps', () => {
  let broker: DynsecBroker;
  let box: DynsecBox;

  beforeAll(async () => {
    broker = await DynsecBroker.start();
    box = await startDynsecBox(broker);
  });
  afterAll(async () => {
    await box.close();
    await broker.stop();
  });

  // Each has devices of its own.
  together(120_000, {
    'is put right: rights, roles, groups, client ids, open accounts, defaults, and what nobody registered':
      async () => {
        const names = ['wider', 'admin-by-hand', 'grouped', 'unbound', 'closed', 'shut'] as const;
        const secrets = new Map<string, string>();
        for (const name of names) secrets.set(name, (await box.registry.create(name)).secret);
        await box.registry.enable('shut', false);
        await eventually('it is shut', async () => (await broker.account('shut'))?.['disabled'] === true);
        const asMade = new Map<string, unknown>();
        for (const name of names) asMade.set(name, await broker.account(name));

        const mark = 'signalbox:signalbox';
        broker.control('addRoleACL', `${mark}:wider`, 'publishClientSend', 'devices/#', 'allow');
        broker.control('addClientRole', 'admin-by-hand', 'admin');
        broker.control('createGroup', 'friends');
        broker.control('addGroupClient', 'friends', 'grouped');
        broker.control('setClientId', 'unbound', 'any-other');
        broker.control('disableClient', 'closed');
        broker.control('enableClient', 'shut');
        broker.control('setDefaultACLAccess', 'publishClientSend', 'allow');
        const strange = { command: 'createClient', username: 'strange', password: 'known', textname: mark };
        const service = {
          command: 'createClient',
          username: 'service',
          password: 'theirs',
          textname: 'a service',
          roles: [{ rolename: 'admin' }],
        };
        await broker.ask(
          strange,
          service,
          { command: 'createRole', rolename: `${mark}:nobody` },
          { command: 'createRole', rolename: 'theirs' },
        );
        const theirs = await broker.account('service');
        const gateway = await broker.account(GATEWAY.username);
        expect((await broker.login('shut', secrets.get('shut')!)).isIn).toBe(true);

        await eventually(
          'every account is as it was made',
          async () => {
            for (const name of names) expect([name, await broker.account(name)]).toEqual([name, asMade.get(name)]);
            const [wider, defaults] = await broker.ask(
              { command: 'getRole', rolename: `${mark}:wider` },
              { command: 'getDefaultACLAccess' },
            );
            expect(JSON.stringify(wider)).not.toContain('"devices/#"');
            expect(defaults!.data!['acls']).toContainEqual({ acltype: 'publishClientSend', allow: false });
            expect((await broker.account('strange'))?.['disabled']).toBe(true);
            return true;
          },
          LOOK_MS,
        );
        expect((await broker.login('shut', secrets.get('shut')!)).isIn).toBe(false);
        expect((await broker.login('strange', 'known')).isIn).toBe(false);
        expect((await broker.login('unbound', secrets.get('unbound')!, { clientId: 'any-other' })).isIn).toBe(false);
        for (const name of names.filter((one) => one !== 'shut')) {
          expect([name, (await broker.login(name, secrets.get(name)!)).isIn]).toEqual([name, true]);
        }

        await eventually(
          'what nobody registered is removed',
          async () => {
            const rolename = `${mark}:nobody`;
            const answers = await broker.ask(
              { command: 'getClient', username: 'strange' },
              { command: 'getRole', rolename },
            );
            return answers.every(({ error }) => error?.endsWith('not found'));
          },
          2 * LOOK_MS,
        );
        // Of others nothing is touched.
        expect(await broker.account('service')).toEqual(theirs);
        expect(await broker.account(GATEWAY.username)).toEqual(gateway);
        expect((await broker.ask({ command: 'getRole', rolename: 'theirs' }))[0]!.error).toBeUndefined();
      },

    'is left alone and told of where the account of a device became somebody else’s': async () => {
      await box.registry.create('contested');
      broker.control('deleteClient', 'contested');
      await broker.ask({ command: 'createClient', username: 'contested', password: 'theirs', textname: 'mine now' });
      await eventually('it is told', async () => (await box.registry.logins()).taken === 1, LOOK_MS);
      expect((await broker.login('contested', 'theirs')).isIn).toBe(true);
      const { status, body } = await box.admin.post<{ readonly code: string }>('/v1/devices/contested/credentials', {});
      expect([status, body.code]).toEqual([409, 'BROKER_ACCOUNT_TAKEN']);
      await box.registry.remove('contested');
      await eventually('it is forgotten', async () => (await box.registry.logins()).taken === 0, LOOK_MS);
      expect((await broker.login('contested', 'theirs')).isIn).toBe(true);
    },

    'is told of where the account of a device is gone, which a new credential heals': async () => {
      const { secret } = await box.registry.create('lost');
      broker.control('deleteClient', 'lost');
      await box.registry.needing(1);
      expect((await broker.login('lost', secret)).isIn).toBe(false);
      const { secret: next } = await box.registry.rotate('lost');
      expect((await broker.login('lost', next)).isIn).toBe(true);
      await box.registry.needing(0);
    },
  });
});
