import { describeWith, startMosquitto } from '../../support/services.js';
import { describeLink, type LinkUnderTest } from '../link.suite.js';
import { startBox } from '../support/box.js';
import { startOldBroker } from '../support/old-broker.js';

describeWith(['mosquitto'], 'with Mosquitto', () => {
  describeLink('an external broker with MQTT 5', () => start('5', false));
  describeLink('an external broker that only speaks MQTT 3.1.1', () => start('3.1.1', true));
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
