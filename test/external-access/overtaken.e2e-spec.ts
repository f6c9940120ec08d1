import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BrokerAccountRepository } from '../../src/access/broker-account.repository.js';
import { BrokerAccountsService } from '../../src/access/broker-accounts.service.js';
import { BrokerLeaseRepository } from '../../src/access/broker-lease.repository.js';
import { BrokerConfig } from '../../src/config/broker.config.js';
import { TopicConfig } from '../../src/config/topic.config.js';
import { RegistryService } from '../../src/device/registry.service.js';
import { gate } from '../mqtt/support/raw-client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { MemoryAccounts } from './memory-accounts.js';

describe('A change of a device that is overtaken on its way to the broker', () => {
  let box: TestApp;
  let accounts: MemoryAccounts;

  beforeEach(async () => {
    box = await createTestApp();
    accounts = new MemoryAccounts();
    await write({ enabled: 1 });
  });
  afterEach(() => box.close());

  /** What a replica does with the accounts, over the same database. */
  const replica = (): BrokerAccountsService =>
    new BrokerAccountsService(
      accounts,
      box.app.get(RegistryService),
      new BrokerAccountRepository(box.database),
      new BrokerLeaseRepository(box.database),
      box.app.get(TopicConfig),
      box.app.get(BrokerConfig),
    );

  const write = async (row: { readonly enabled: number } | null): Promise<void> => {
    const { sql } = box.database;
    const insert = (values: object) =>
      sql.insertInto('devices').values({ id: 'lamp', link: 'native', created_at: 1, ...values });
    const remove = sql.deleteFrom('devices').where('id', '=', 'lamp').compile();
    await box.database.write(row ? [remove, insert(row).compile()] : [remove]);
  };

  it.each<[string, { readonly enabled: number } | null, string]>([
    ['disabled', { enabled: 0 }, 'closed'],
    ['deleted', null, 'removed'],
  ])('does not leave the account open of a device that was %s meanwhile', async (_, row, end) => {
    const slow = gate();
    accounts.gate = slow.promise;
    const [one, other] = [replica(), replica()];
    one.changed('lamp');
    await eventually('the first is under way', () => accounts.gate === null);
    await write(row);
    other.changed('lamp');
    await eventually('the second is done', () => accounts.done.at(-1) === end);
    slow.open();
    await eventually('the first is done', () => accounts.done.includes('opened') && accounts.done.at(-1) === end);
    expect(accounts.done).toEqual([end, 'opened', end]);
  });
});
