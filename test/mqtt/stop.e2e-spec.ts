import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { eventually } from '../support/eventually.js';
import { startBox } from './support/box.js';
import { connectPacket, encode, RawClient } from './support/raw-client.js';

describe('The stop of the embedded broker', () => {
  it('does not wait for clients whose CONNECT it has read and not answered yet', async () => {
    for (let round = 0; round < 20; round++) {
      const box = await startBox();
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(box.port)));
      for (const [i, client] of clients.entries()) client.send(connectPacket(`client-${i % 15}`));
      // Some of them are being let in when it begins, in whatever state.
      for (let turn = 0; turn < round % 10; turn++) await new Promise(setImmediate);
      let closed = false;
      const closing = box.close().then(() => (closed = true));
      await eventually('it is closed', () => closed, 5_000);
      await closing;
      expect(await eventually('all connections are', () => clients.every(({ ended }) => ended))).toBe(true);
    }
  });

  it('does not wait for thousands that begin and end in that moment, each in its turn', async () => {
    const box = await startBox();
    const clients = await Promise.all(
      Array.from({ length: 600 }, (_, n) => RawClient.connect(box.port, `client-${n}`)),
    );
    for (const { socket } of clients) socket.resetAndDestroy();
    const late = Array.from({ length: 100 }, (_, n) => {
      const socket = connect(box.port, '127.0.0.1').on('error', () => {});
      socket.write(encode(connectPacket(`late-${n}`)));
      return new Promise((resolve) => socket.resume().once('close', resolve));
    });
    // Some of them wait for their turn when it begins.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    let isClosed = false;
    const closing = box.close().then(() => (isClosed = true));
    await eventually('it is closed', () => isClosed, 5_000);
    await Promise.all([closing, ...late]);
    expect(box.link.clients).toBe(0);
  });
});
