import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { newKeyText } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { startService, temporaryDirectory } from '../support/process.js';
import { describeWith } from '../support/services.js';
import { Registry } from './dynsec-box.js';
import { DynsecBroker } from './dynsec-broker.js';

describeWith(['mosquitto'], 'A crash between the broker and the database', () => {
  it('leaves an account whose secret nobody knows, which the next start removes; the device can be registered anew', async () => {
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
  }, 120_000);
});
