import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { newKeyText } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';
import { type DynsecBox, startDynsecBox } from './dynsec-box.js';
import { DynsecBroker } from './dynsec-broker.js';

describeWith(['mosquitto', 'postgres'], 'Two replicas beside a Mosquitto whose accounts they keep', () => {
  let broker: DynsecBroker;
  let postgres: Postgres;
  const replicas: DynsecBox[] = [];

  beforeAll(async () => {
    broker = await DynsecBroker.start();
    postgres = await startPostgres();
    const settings = { DATABASE_URL: await postgres.createDatabase(), ADMIN_KEY: newKeyText() };
    for (let n = 0; n < 2; n++) replicas.push(await startDynsecBox(broker, settings));
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await broker.stop();
    await postgres.remove();
  });

  /** Replicas that say how the accounts stand: those that look after them. */
  const looking = async (): Promise<DynsecBox[]> => {
    const all = await Promise.all(
      replicas.map(async (replica) => ({ replica, logins: await replica.registry.logins() })),
    );
    return all.filter(({ logins }) => logins.needCredential !== null).map(({ replica }) => replica);
  };

  it('each registers, rotates, disables and deletes; what one does the other finds', async () => {
    const [one, other] = replicas.map(({ registry }) => registry);
    const lamp = await one!.create('lamp');
    const first = await broker.login('lamp', lamp.secret);
    expect(first.isIn).toBe(true);
    const next = await other!.rotate('lamp');
    await eventually('the old login has ended', first.isOut);
    const second = await broker.login('lamp', next.secret);
    expect(second.isIn).toBe(true);
    await one!.enable('lamp', false);
    await eventually('it is thrown out', second.isOut);
    await other!.enable('lamp', true);
    await eventually('it is let in', async () => (await broker.login('lamp', next.secret)).isIn);
    await one!.remove('lamp');
    await eventually('it is forgotten', async () => (await broker.account('lamp')) === null);
  });

  it('many changes of one device on both end as the registry says, open or shut', async () => {
    const [one, other] = replicas.map(({ registry }) => registry);
    const { secret } = await one!.create('busy');
    for (const last of [false, true]) {
      for (let n = 0; n < 8; n++) await (n % 2 === 0 ? one! : other!).enable('busy', n % 2 === 0);
      await one!.enable('busy', last);
      // Until each replica has seen that it was overtaken, the account may say either.
      await eventually('the last change holds', async () => {
        const { isIn } = await broker.login('busy', secret);
        const { disabled = false } = (await broker.account('busy'))!;
        return isIn === last && disabled === !last;
      });
    }
  });

  it('one of them looks after the accounts, and the other goes on when it stops', async () => {
    const [holder] = await eventually(
      'one replica looks',
      async () => {
        const all = await looking();
        return all.length === 1 && all;
      },
      30_000,
    );
    const { secret } = await holder!.registry.create('kept');
    await replicas.splice(replicas.indexOf(holder!), 1)[0]!.close();
    broker.control('addRoleACL', 'signalbox:signalbox:kept', 'publishClientSend', '#', 'allow');
    await eventually(
      'what was changed by hand is put right',
      async () => {
        const [role] = await broker.ask({ command: 'getRole', rolename: 'signalbox:signalbox:kept' });
        return !JSON.stringify(role).includes('"#"');
      },
      60_000,
    );
    expect((await broker.login('kept', secret)).isIn).toBe(true);
    await eventually('it says how they stand', async () => (await looking()).length === 1);
  }, 120_000);
});
