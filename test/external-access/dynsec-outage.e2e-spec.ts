import { expect } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { CompiledQuery } from 'kysely';
import { eventually } from '../support/eventually.js';
import { startService, temporaryDirectory } from '../support/process.js';
import { describeWith, startMosquitto } from '../support/services.js';
import { together } from '../support/together.js';
import { newKeyText, startRequired } from '../support/access.js';
import { type DynsecBox, Registry, startDynsecBox } from './dynsec-box.js';
import { DynsecBroker } from './dynsec-broker.js';

const LOOK_MS = 30_000;

interface World {
  readonly broker: DynsecBroker;
  /** Closed at the end. */
  box: DynsecBox;
}

/** A test with a broker and a Signalbox of its own, so that all of them can wait at the same time. */
function inOwnWorld(test: (world: World) => Promise<void>): () => Promise<void> {
  return async () => {
    const broker = await DynsecBroker.start();
    let world: World | null = null;
    try {
      world = { broker, box: await startDynsecBox(broker) };
      await test(world);
    } finally {
      await world?.box.close();
      await broker.stop();
    }
  };
}

describeWith(['mosquitto'], 'With the accounts kept at Mosquitto', () => {
  together(120_000, {
    'a device cannot be registered while the broker is away, and nothing is stored': inOwnWorld(
      async ({ broker, box }) => {
        const known = await box.registry.create('known');
        await broker.away();
        const { status, body, headers } = await box.registry.tryCreate('late');
        expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'FOLLOWER_UNAVAILABLE', '5']);
        expect(await box.registry.has('late')).toBe(false);
        expect((await box.admin.post('/v1/devices/known/credentials', {})).status).toBe(503);
        await broker.run();
        const late = await eventually('it can be registered', async () => {
          const answer = await box.registry.tryCreate('late');
          return answer.status === 201 && answer.body.credential;
        });
        expect((await broker.login('late', late.secret)).isIn).toBe(true);
        // What it had before is still what it has.
        expect((await broker.login('known', known.secret)).isIn).toBe(true);
      },
    ),

    'what was deleted and disabled while the broker was away is shut out when it is back': inOwnWorld(
      async ({ broker, box }) => {
        const deleted = await box.registry.create('deleted');
        const disabled = await box.registry.create('disabled');
        await broker.away();
        // As another replica would, that still reaches the broker: here a deletion needs it.
        const { sql } = box.database;
        await box.database.write([
          sql.deleteFrom('devices').where('id', '=', 'deleted').compile(),
          sql.deleteFrom('credentials').where('device_id', '=', 'deleted').compile(),
        ]);
        await box.registry.enable('disabled', false);
        await broker.run();
        await eventually(
          'neither gets in',
          async () =>
            !(await broker.login('deleted', deleted.secret)).isIn &&
            !(await broker.login('disabled', disabled.secret)).isIn,
          LOOK_MS,
        );
        await eventually('the account is gone', async () => (await broker.account('deleted')) === null, 2 * LOOK_MS);
        expect((await broker.account('disabled'))!['disabled']).toBe(true);
      },
    ),

    'a broker that forgot its accounts lets nobody in, and it is told how many need a credential': inOwnWorld(
      async ({ broker, box }) => {
        const lamp = await box.registry.create('lamp');
        await box.registry.create('valve');
        await broker.away();
        broker.forget();
        await broker.run();
        await box.registry.needing(2);
        expect((await broker.login('lamp', lamp.secret)).isIn).toBe(false);
        const [defaults] = await broker.ask({ command: 'getDefaultACLAccess' });
        expect(defaults!.data!['acls']).toContainEqual({ acltype: 'publishClientReceive', allow: false });
        const next = await box.registry.rotate('lamp');
        expect((await broker.login('lamp', next.secret)).isIn).toBe(true);
        await box.registry.needing(1);
      },
    ),

    'a credential that could not be stored opens nothing: the device needs another, and that is told': inOwnWorld(
      async ({ broker, box }) => {
        const { secret } = await box.registry.create('unlucky');
        const refuse = `create trigger refuse before insert on credentials begin select raise(abort, 'bad luck'); end`;
        await box.database.write([CompiledQuery.raw(refuse)]);
        expect((await box.admin.post('/v1/devices/unlucky/credentials', {})).status).toBe(500);
        expect((await box.registry.tryCreate('unborn')).status).toBe(500);
        await eventually('the account is shut', async () => (await broker.account('unlucky'))!['disabled'] === true);
        await eventually('the other is gone', async () => (await broker.account('unborn')) === null);
        expect((await broker.login('unlucky', secret)).isIn).toBe(false);
        await box.registry.needing(1);
        await box.database.write([CompiledQuery.raw('drop trigger refuse')]);
        const next = await box.registry.rotate('unlucky');
        expect((await broker.login('unlucky', next.secret)).isIn).toBe(true);
      },
    ),

    'a stopped Signalbox lets nobody new in, and leaves those in who are registered': inOwnWorld(async (world) => {
      const { broker, box } = world;
      const { secret } = await box.registry.create('lamp');
      await box.close();
      expect((await broker.login('lamp', secret)).isIn).toBe(true);
      expect((await broker.login('new', secret)).isIn).toBe(false);
      world.box = await startDynsecBox(broker);
      // Another installation, so to say: it does not know the device, and shuts it out.
      await eventually('it is shut out', async () => !(await broker.login('lamp', secret)).isIn, LOOK_MS);
    }),

    'a login that is no admin of the plugin registers nobody': inOwnWorld(async ({ broker }) => {
      await broker.ask({
        command: 'createClient',
        username: 'weak',
        password: 'weak',
        roles: [{ rolename: 'gateway' }],
      });
      const weak = await startRequired({
        ...broker.settings,
        MQTT_USERNAME: 'weak',
        MQTT_PASSWORD: 'weak',
        MQTT_SHARE_GROUP: 'weak',
      });
      try {
        const registry = new Registry(weak.httpUrl, weak.adminKey);
        const { status, body } = await registry.tryCreate('lamp');
        expect([status, body.code]).toEqual([503, 'FOLLOWER_UNAVAILABLE']);
        expect(await registry.has('lamp')).toBe(false);
        expect(await broker.account('lamp')).toBeNull();
      } finally {
        await weak.close();
      }
    }),

    'a crash between broker and database leaves an account that nobody can use, which the next start removes':
      async () => {
        const broker = await DynsecBroker.start();
        const files = temporaryDirectory();
        const adminKey = newKeyText();
        const settings = { ...broker.settings, ACCESS: 'required', ADMIN_KEY: adminKey };
        let service = await startService(files.path, settings);
        try {
          const lamp = await new Registry(service.httpUrl, adminKey).create('lamp');
          // Nothing commits from here on.
          const holder = spawn(process.execPath, [
            resolve('test/storage/hold-lock.mjs'),
            join(files.path, 'data/signalbox.db'),
          ]);
          await once(holder.stdout, 'data');
          const asked = new Registry(service.httpUrl, adminKey).tryCreate('half').catch(() => null);
          await eventually('the broker has the account', async () => (await broker.account('half')) !== null);
          await service.stop('SIGKILL');
          await asked;
          holder.stdin.end();
          await once(holder, 'exit');

          service = await startService(files.path, settings);
          const registry = new Registry(service.httpUrl, adminKey);
          expect(await registry.has('half')).toBe(false);
          await eventually('it is shut', async () => (await broker.account('half'))?.['disabled'] === true, 20_000);
          await eventually('it is gone', async () => (await broker.account('half')) === null, 60_000);
          expect((await broker.login('lamp', lamp.secret)).isIn).toBe(true);
          const { secret } = await registry.create('half');
          expect((await broker.login('half', secret)).isIn).toBe(true);
        } finally {
          await service.stop('SIGKILL');
          await broker.stop();
          files.remove();
        }
      },

    'nobody is registered beside a Mosquitto without the plugin': async () => {
      const mosquitto = await startMosquitto();
      const box = await startRequired({ MQTT_URL: mosquitto.url, MQTT_DYNSEC: 'on' });
      try {
        const registry = new Registry(box.httpUrl, box.adminKey);
        const { status, body } = await registry.tryCreate('lamp');
        expect([status, body.code]).toEqual([503, 'FOLLOWER_UNAVAILABLE']);
        expect(await registry.has('lamp')).toBe(false);
        expect(await registry.logins()).toEqual({
          kept: 'dynamic-security',
          overlap: false,
          needCredential: null,
          taken: null,
        });
      } finally {
        await box.close();
        await mosquitto.stop();
      }
    },
  });
});
