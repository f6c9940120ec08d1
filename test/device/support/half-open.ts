import { connectMqtt } from '../../support/mqtt.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';

/** A connection that is there, and on which nothing comes through from `stalledAt` on (epoch milliseconds). */
export interface HalfOpen {
  readonly id: string;
  readonly stalledAt: number;
  end(): Promise<void>;
}

/** Connects a device with the least keepalive, 15 s, to the broker on this port of 127.0.0.1, and lets nothing through any more. */
export async function goSilent(port: number, id: string): Promise<HalfOpen> {
  const network = await startTcpProxy(port);
  const device = await connectMqtt(`mqtt://127.0.0.1:${network.port}`, { clientId: id, keepalive: 15 });
  device.on('error', () => {});
  network.stall();
  const end = async (): Promise<void> => {
    device.end(true);
    await network.stop();
  };
  return { id, stalledAt: Date.now(), end };
}
