import { describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { connectPacket, encode } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { startService, temporaryDirectory } from '../support/process.js';

const WILL = { payload: Buffer.from('{"online": false}'), qos: 1, retain: true } as const;
const MOST_THERE = 400;

/** Clients that come, each with a will, until it is ended; of those that are there some hundreds are reset or close now and then. */
function storm(port: number): { readonly letIn: () => number; readonly end: () => void } {
  let [count, letIn] = [0, 0];
  const there: Socket[] = [];
  const come = (): void => {
    const id = `storm-${count++ % 1_000}`;
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.on('data', () => letIn++);
    socket.write(encode(connectPacket(id, { will: { topic: `devices/${id}/up/status`, ...WILL } })));
    there.push(socket);
    if (there.length < MOST_THERE) return;
    for (const [n, one] of there.splice(0, MOST_THERE * 0.8).entries()) {
      if (n % 2 === 0) one.resetAndDestroy();
      else one.destroy();
    }
  };
  const timer = setInterval(() => {
    for (let n = 0; n < 10; n++) come();
  }, 10);
  return {
    letIn: () => letIn,
    end: () => {
      clearInterval(timer);
      for (const socket of there) socket.destroy();
    },
  };
}

describe('A stop in the midst of a storm of connections', () => {
  it('ends cleanly, within its time', async () => {
    const directory = temporaryDirectory();
    const signalbox = await startService(directory.path);
    const { letIn, end } = storm(signalbox.mqttPort);
    await eventually('they come and go', () => letIn() > 300);
    expect(await signalbox.stop()).toBe(0);
    end();
    expect(signalbox.output()).not.toMatch(/"level":(50|60)|not stopped/);
    directory.remove();
  });
});
