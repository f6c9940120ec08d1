import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';

/** A broker that refuses MQTT 5 as brokers of 3.1.1 do (CONNACK 1 and close, or only close); anything else goes on to `target`. */
export async function startOldBroker(target: number, answer: 'connack' | 'close' = 'connack') {
  const sockets = new Set<Socket>();
  const refused: string[] = [];
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.on('close', () => sockets.delete(client));
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect' && packet.protocolVersion === 5) {
        refused.push(packet.clientId);
        client.end(answer === 'connack' ? Buffer.from([0x20, 2, 0, 1]) : '');
      }
    });
    client.once('data', (chunk: Buffer) => {
      parser.parse(chunk);
      if (client.writableEnded) return;
      const upstream = connect(target, '127.0.0.1');
      upstream.on('error', () => client.destroy());
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      upstream.write(chunk);
      client.pipe(upstream).pipe(client);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Client ids that came with MQTT 5. */
    refused: refused as readonly string[],
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
