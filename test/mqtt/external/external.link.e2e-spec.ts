import { expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { describeWith, startMosquitto } from '../../support/services.js';
import { describeLink, type LinkUnderTest } from '../link.suite.js';
import { startBox } from '../support/box.js';
import { startOldBroker } from '../support/old-broker.js';
import { publishPacket, RawClient } from '../support/raw-client.js';

describeWith(['mosquitto'], 'with Mosquitto', () => {
  describeLink('an external broker with MQTT 5', () => start('5', false));
  describeLink('an external broker that only speaks MQTT 3.1.1', () => start('3.1.1', true));

  it('hands the bulk of one device on apart from the messages of others', async () => {
    const mosquitto = await startMosquitto({ config: 'max_inflight_messages 1000' });
    const box = await startBox({ broker: { url: new URL(mosquitto.url), seats: 1 } });
    const devices = await RawClient.connect(mosquitto.port, 'gateway');
    const reading = (device: string, text: string, id: number) =>
      publishPacket(`devices/${device}/up/telemetry`, text, 1, id);
    const packets = Array.from({ length: 100 }, (_, i) => [
      reading('small', '1', 2 * i + 1),
      reading('big', 'bulk', 2 * i + 2),
    ]);
    devices.send(...packets.flat());
    await eventually('all came', () => box.recorder.messages.length === 200);
    for (const { messages } of box.recorder.batches) {
      expect(new Set(messages.map(({ params }) => params['deviceId'])).size).toBe(1);
    }
    expect(box.recorder.batches.length).toBeLessThan(100);
    devices.end();
    await box.close();
    await mosquitto.stop();
  });
});

async function start(protocol: '5' | '3.1.1', old: boolean): Promise<LinkUnderTest> {
  const mosquitto = await startMosquitto();
  const proxy = old ? await startOldBroker(mosquitto.port) : null;
  const url = new URL(`mqtt://127.0.0.1:${proxy?.port ?? mosquitto.port}`);
  const box = await startBox({ broker: { url } });
  if (box.link.capabilities.protocol !== protocol) throw new Error(`speaks ${box.link.capabilities.protocol}`);
  return {
    url: mosquitto.url,
    recorder: box.recorder,
    publisher: box.publisher,
    ordered: false,
    close: async () => {
      await box.close();
      await proxy?.stop();
      await mosquitto.stop();
    },
  };
}
