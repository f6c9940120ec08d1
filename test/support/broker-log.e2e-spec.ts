import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { BrokerLog } from './broker-log.js';
import { connectMqtt } from './mqtt.js';
import { describeWith, type Mosquitto, startMosquitto } from './services.js';

describeWith(['mosquitto'], 'the log of the broker', () => {
  let mosquitto: Mosquitto;
  let log: BrokerLog;

  beforeEach(async () => {
    mosquitto = await startMosquitto({ config: 'log_dest stderr\nlog_type all' });
    log = new BrokerLog(mosquitto.log, mosquitto.url, 'ours-');
  });

  afterEach(async () => {
    await log.close();
    await mosquitto.stop();
  });

  it('tells when all is taken in: not while one of our clients holds an acknowledgement back', async () => {
    const ours = await connectMqtt(mosquitto.url, { clientId: 'ours-1' });
    let acknowledge: (() => void) | undefined;
    ours.handleMessage = (_packet, done) => {
      acknowledge = done;
    };
    await ours.subscribeAsync('a', { qos: 1 });
    const device = await connectMqtt(mosquitto.url);
    await device.publishAsync('a', 'x', { qos: 1 });
    await expect(log.settled(200)).rejects.toThrow('still not acknowledged by Signalbox: ours-1 1');
    acknowledge!();
    await log.settled();
    await Promise.all([ours.endAsync(), device.endAsync()]);
  });

  it('tells who connected, and who took a client id over from whom', async () => {
    const first = await connectMqtt(mosquitto.url, { clientId: 'twin' });
    const second = await connectMqtt(mosquitto.url, { clientId: 'twin' });
    await log.settled();
    expect(log.connects.filter((id) => id === 'twin')).toHaveLength(2);
    expect(log.takeOvers).toEqual(['twin']);
    await Promise.all([first.endAsync(true), second.endAsync()]);
  });

  it('tells of those too who were there before it was read', async () => {
    const early = await startMosquitto({ config: 'log_dest stderr\nlog_type all' });
    const client = await connectMqtt(early.url, { clientId: 'ours-early' });
    await client.subscribeAsync('a', { qos: 1 });
    const late = new BrokerLog(early.log, early.url, 'ours-');
    await late.settled();
    expect(late.connects).toContain('ours-early');
    expect([...late.subscribed]).toContain('ours-early');
    await client.endAsync();
    await late.close();
    await early.stop();
  });

  it('does not wait for the clients of others', async () => {
    const other = await connectMqtt(mosquitto.url, { clientId: 'theirs' });
    other.handleMessage = () => {};
    await other.subscribeAsync('a', { qos: 1 });
    const device = await connectMqtt(mosquitto.url);
    await device.publishAsync('a', 'x', { qos: 1 });
    await log.settled();
    await Promise.all([other.endAsync(true), device.endAsync()]);
  });
});
