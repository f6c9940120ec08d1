import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { StartupError } from '../../src/common/startup.error.js';
import { startBox } from './support/box.js';
import { RawClient } from './support/raw-client.js';

async function failure(options: Parameters<typeof startBox>[0]): Promise<StartupError> {
  const error: unknown = await startBox(options).then(
    () => new Error('it started'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartupError);
  return error as StartupError;
}

describe('the start of the embedded broker', () => {
  it('says which port is taken, who may hold it and which variable changes it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { message, hint, exitCode } = await failure({ port });
    expect(message).toContain(String(port));
    expect(hint).toMatch(/Signalbox.*Mosquitto.*MQTT_PORT/);
    expect(exitCode).toBe(1);
    other.close();
  });

  it.each(['192.0.2.1', 'broker.invalid'])('refuses the host %s, which is not of this machine', async (host) => {
    const { message, hint } = await failure({ host });
    expect(message).toContain(host);
    expect(hint).toContain('to use a broker elsewhere set MQTT_URL');
  });

  it('tells where it can be reached, with the port that was really taken', async () => {
    const box = await startBox();
    expect(box.link.urls).toEqual([`mqtt://127.0.0.1:${box.port}`]);
    expect(box.link.status).toBe('up');
    const client = await RawClient.connect(box.port, 'a');
    await box.close();
    await client.closed();
    expect(box.link.status).toBe('stopped');
  });
});
