import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { DynsecBroker } from './dynsec-broker.js';
import { Registry } from './registry.js';

describeWith(['mosquitto'], 'A Mosquitto whose accounts Signalbox keeps', () => {
  let broker: DynsecBroker;
  let box: TestApp;
  let registry: Registry;

  beforeAll(async () => {
    broker = await DynsecBroker.start();
    box = await createTestApp(broker.settings);
    registry = new Registry(box);
  });
  afterAll(async () => {
    await box.close();
    await broker.stop();
  });

  it('lets a device in as soon as it is registered', async () => {
    const secret = await registry.create('lamp');
    expect((await broker.login('lamp', secret)).isIn).toBe(true);
    console.log(await broker.ask({command:'getDefaultACLAccess'}), await broker.account('lamp'));
  });
});
