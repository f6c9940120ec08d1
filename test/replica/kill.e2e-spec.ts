import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { Fleet } from './support/fleet.js';
import { Load } from './support/load.js';

describeWith(['mosquitto', 'postgres'], 'one replica that is killed five times under load', () => {
  let fleet: Fleet;
  let load: Load;
  beforeEach(async () => {
    fleet = await Fleet.start(1);
    load = await Load.start(fleet.brokerUrl, 6, 240);
  }, 60_000);
  afterEach(async () => {
    await load?.end();
    await fleet?.stop();
  }, 60_000);

  it('stores every reading that the broker acknowledged exactly once', async () => {
    for (let round = 1; round <= 5; round++) {
      const before = (await fleet.readings('load-0')).length;
      await eventually('readings are stored', async () => (await fleet.readings('load-0')).length > before, 30_000);
      expect(await fleet.replicas[0]!.stop('SIGKILL')).toBe('SIGKILL');
      const goal = load.acknowledged + 100;
      await eventually('the broker takes in more meanwhile', () => load.acknowledged >= goal);
      await fleet.restart(0);
    }
    await load.stop();
    await fleet.expectAllStoredOnce(load);
  }, 180_000);
});
