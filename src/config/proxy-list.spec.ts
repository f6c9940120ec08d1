import { describe, expect, it } from '@jest/globals';
import { proxyList } from './proxy-list.js';

describe('A list of trusted proxies', () => {
  it.each([
    ['', []],
    [' ', []],
    ['127.0.0.1', ['127.0.0.1']],
    ['10.0.0.0/8, ::1,fd00::/8', ['10.0.0.0/8', '::1', 'fd00::/8']],
    ['192.168.1.1/32', ['192.168.1.1/32']],
  ])('%j is %j', (text, expected) => {
    expect(proxyList(text)).toEqual(expected);
  });

  it.each([
    'true',
    'loopback',
    'proxy.example',
    '*',
    '10.0.0.1,',
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '10.0.0.0/08',
    '0.0.0.0/0',
    '::/0',
    'fe80::1%eth0',
    '10.0.0.1 10.0.0.2',
  ])('%j is refused', (text) => {
    expect(() => proxyList(text)).toThrow('must be IP addresses');
  });
});
