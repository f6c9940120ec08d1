import { describe, expect, it } from '@jest/globals';
import { connectGuide, hostNameOf, reachableUrl } from './registry.connect.js';

const guide = (mqtt: readonly string[], needsLogin = true, prefix = 'devices') =>
  connectGuide({ deviceId: 'd:1', prefix, http: 'https://box.example', mqtt, needsLogin }).snippets;

describe('Where a device connects', () => {
  it.each([
    ['localhost', 'localhost'],
    ['box.example:8080', 'box.example'],
    ['[::1]:3000', '[::1]'],
    ['10.0.0.7', '10.0.0.7'],
    ['', null],
    [undefined, null],
    ['a b', null],
    ["x';ls", null],
    ['a:b', null],
    ['user@host', null],
    ['box.example:123456', null],
  ])('the header %s names %s', (header, name) => {
    expect(hostNameOf(header)).toBe(name);
  });

  it.each([
    ['mqtt://127.0.0.1:1883', 'mqtt://127.0.0.1:1883'],
    ['mqtt://0.0.0.0:1883', 'mqtt://box.example:1883'],
    ['mqtts://[::]:8883', 'mqtts://box.example:8883'],
    ['ws://0.0.0.0:9001/mqtt', 'ws://box.example:9001/mqtt'],
    ['mqtts://broker.example', 'mqtts://broker.example'],
  ])('%s is reached at %s', (listener, url) => {
    expect(reachableUrl(listener, 'box.example')).toBe(url);
  });
});

describe('Snippets', () => {
  it('use TLS where there is a listener for it', () => {
    const secure = guide(['mqtt://box.example:1883', 'mqtts://box.example:8883']);
    expect(secure.mosquitto_pub).toContain('-h box.example -p 8883 --cafile ca.pem');
    expect(secure.python).toContain('tls={"ca_certs": "ca.pem"}');
    expect(secure.arduino).toContain('espMqttClientSecure');
    const plain = guide(['ws://box.example:9001/mqtt', 'mqtt://box.example:1883']);
    expect(plain.mosquitto_pub).toContain('-h box.example -p 1883 -i');
    expect(plain.python).not.toContain('tls=');
    expect(guide(['mqtt://[::1]:1883']).mosquitto_pub).toContain('-h ::1 -p 1883');
  });

  it('log in where that is needed, and nowhere else', () => {
    for (const snippet of Object.values(guide(['mqtt://h:1']))) expect(snippet).toContain('<credential>');
    for (const snippet of Object.values(guide(['mqtt://h:1'], false))) expect(snippet).not.toContain('<credential>');
  });

  it('quote a prefix that a shell would take for more', () => {
    const { mosquitto_pub: mosquitto, python } = guide(['mqtt://h:1'], false, `it's $HOME "x"`);
    expect(mosquitto).toContain(String.raw`-t 'it'\''s $HOME "x"/d:1/up/telemetry'`);
    expect(python).toContain(String.raw`"it's $HOME \"x\"/d:1/up/telemetry"`);
  });
});
