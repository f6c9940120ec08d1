import { connectAsync, type MqttClient } from 'mqtt';

interface LoadDevice {
  readonly id: string;
  readonly client: MqttClient;
  /** Numbers of the readings that the broker has acknowledged. */
  readonly acknowledged: Set<number>;
  /** Publishes that wait for their acknowledgement. */
  readonly open: Set<Promise<void>>;
  sent: number;
}

const TICK_MS = 20;

/**
 * Devices that publish readings with an id at a steady rate (QoS 1) and, like real ones, keep each until the broker has
 * acknowledged it: they connect again by themselves and send again what was open.
 */
export class Load {
  private readonly timer: NodeJS.Timeout;

  private constructor(
    readonly devices: readonly LoadDevice[],
    perSecond: number,
  ) {
    let due = 0;
    let turn = 0;
    this.timer = setInterval(() => {
      for (due += (perSecond * TICK_MS) / 1_000; due >= 1; due--) publish(devices[turn++ % devices.length]!);
    }, TICK_MS);
  }

  /** Connects `count` devices, who then publish `perSecond` readings together. */
  static async start(url: string, count: number, perSecond: number): Promise<Load> {
    const devices = await Promise.all(
      Array.from({ length: count }, async (_, n): Promise<LoadDevice> => {
        const id = `load-${n}`;
        const options = { clientId: id, clean: false, protocolVersion: 4, reconnectPeriod: 200 } as const;
        const client = await connectAsync(url, options);
        client.on('error', () => {});
        return { id, client, acknowledged: new Set(), open: new Set(), sent: 0 };
      }),
    );
    return new Load(devices, perSecond);
  }

  /** How many readings the broker has acknowledged so far. */
  get acknowledged(): number {
    return this.devices.reduce((sum, device) => sum + device.acknowledged.size, 0);
  }

  /** Sends nothing new, waits until all that was sent is acknowledged, and disconnects. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.devices.flatMap(({ open }) => [...open]));
    await this.end();
  }

  /** Ends it as it is. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.devices.map(({ client }) => client.endAsync(true)));
  }
}

function publish(device: LoadDevice): void {
  const n = device.sent++;
  const reading = JSON.stringify({ values: { n }, ts: Date.now(), id: `r${n}` });
  const done = untilAcknowledged(device, n, reading);
  device.open.add(done);
  void done.finally(() => device.open.delete(done));
}

async function untilAcknowledged({ id, client, acknowledged }: LoadDevice, n: number, reading: string): Promise<void> {
  try {
    await client.publishAsync(`devices/${id}/up/telemetry`, reading, { qos: 1 });
    acknowledged.add(n);
  } catch {
    // Only the end of the test takes it from the client: then it was never acknowledged.
  }
}
