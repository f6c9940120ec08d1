import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { changeOf, type RegistryChange } from '../../src/device/registry.change.js';
import { RegistryRepository } from '../../src/device/registry.repository.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';

let signalbox: RequiredApp;
let devices: RegistryRepository;
const heard: RegistryChange[] = [];
const news: (string | null)[] = [];
beforeAll(async () => {
  signalbox = await startRequired();
  devices = signalbox.app.get(RegistryRepository, { strict: false });
  devices.onChange((change) => heard.push(change));
  signalbox.database.onNews('devices', (detail) => news.push(detail));
});
afterAll(async () => {
  await signalbox.close();
});

const nothing = () => sql`delete from devices where id = 'nobody'`.compile(signalbox.database.sql);
const count = (deviceId: string) => heard.filter((change) => change.deviceId === deviceId).length;

describe('A change to the registry', () => {
  it('is told once here, and told again by its news after one whose fate is not known', async () => {
    await devices.change([nothing()], changeOf('known'));
    expect(count('known')).toBe(1);
    await eventually('its news has come', () => news.length === 1);
    expect(count('known')).toBe(1);

    const bad = sql`insert into devices (id) values (null)`.compile(signalbox.database.sql);
    await expect(devices.change([bad], changeOf('doubtful'))).rejects.toThrow();
    expect(count('doubtful')).toBe(0);
    // As if it had been committed all the same.
    const detail = news[0]!.replace('known', 'doubtful');
    await signalbox.database.write([nothing()], { news: { topic: 'devices', detail } });
    await eventually('it is heard', () => count('doubtful') === 1);
  });
});
