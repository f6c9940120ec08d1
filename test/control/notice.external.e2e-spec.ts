import { expect, it } from '@jest/globals';
import { createTestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { post } from '../support/http.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { startMosquitto } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

it('A cancel notice that the broker cannot take is sent when the broker is back, although the device never went away', async () => {
  const mosquitto = await startMosquitto();
  const proxy = await startTcpProxy(mosquitto.port);
  const signalbox = await createTestApp({ MQTT_URL: `mqtt://127.0.0.1:${proxy.port}` });
  const device = await connectMqtt(mosquitto.url, { clientId: 'd1' });
  try {
    const listener = await listenTo(device, 'devices/d1/down/commands/#');
    const { body } = await post<{ id: string }>(`${signalbox.httpUrl}/v1/devices/d1/commands`, { type: 'X' });
    await listener.next('the command', ({ topic }) => topic.endsWith(body.id));
    proxy.cut();
    const cancel = await post(`${signalbox.httpUrl}/v1/commands/${body.id}/cancel`, {});
    expect(cancel.status).toBe(202);
    proxy.restore();
    const topic = `devices/d1/down/commands/${body.id}/cancel`;
    await eventually('the notice', () => listener.received.some((message) => message.topic === topic), 30_000);
  } finally {
    await device.endAsync(true);
    await signalbox.close();
    await proxy.stop();
    await mosquitto.stop();
  }
});
