import { expect } from '@jest/globals';
import { once } from 'node:events';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { type ClientOptions, WebSocket } from 'ws';
import { eventually } from '../../support/eventually.js';

/** A WebSocket that shows every MQTT packet that comes back, and how it was closed. */
export class RawSocket {
  readonly received: Packet[] = [];
  closeCode: number | null = null;

  private constructor(readonly socket: WebSocket) {
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => this.received.push(packet));
    socket.on('message', (bytes: Buffer, isBinary) => {
      expect(isBinary).toBe(true);
      parser.parse(bytes);
    });
    socket.on('error', () => {});
    socket.on('close', (code) => (this.closeCode = code));
  }

  static async open(url: string, options: ClientOptions = {}): Promise<RawSocket> {
    const socket = new RawSocket(new WebSocket(url, 'mqtt', options));
    await once(socket.socket, 'open');
    return socket;
  }

  async next(cmd: Packet['cmd']): Promise<Packet> {
    return eventually(cmd, () => this.received.find((packet) => packet.cmd === cmd));
  }

  async closed(): Promise<number> {
    await eventually('it is closed', () => this.closeCode !== null);
    return this.closeCode!;
  }
}
