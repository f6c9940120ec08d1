import { describe, expect, it } from '@jest/globals';
import { forwardingHeader, isCrossSite, isLocalHost } from './local-request.js';

describe('a header of a proxy', () => {
  it.each(['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'via'])('is found: %s', (name) => {
    expect(forwardingHeader({ host: 'localhost', [name]: 'x' })).toBe(name);
  });

  it('is not seen in others', () => {
    expect(forwardingHeader({ host: 'localhost', 'x-forwarded': 'x', 'x-via': 'x' })).toBeNull();
  });
});

describe('a host of this machine', () => {
  it.each(['localhost', 'LOCALHOST:3000', '127.0.0.1:1', '[::1]', '[::1]:65535'])('is known: %s', (host) => {
    expect(isLocalHost(host)).toBe(true);
  });

  it.each([undefined, '', 'evil.example', 'localhost.evil.example', '127.0.0.2', '127.0.0.1:', 'localhost\n', '::1'])(
    'is not: %j',
    (host) => {
      expect(isLocalHost(host)).toBe(false);
    },
  );
});

describe('a request of another origin', () => {
  const host = 'localhost:3000';

  it('is known by its Origin, scheme and port included', () => {
    expect(isCrossSite({ host, origin: 'http://localhost:3000' }, 'http')).toBe(false);
    expect(isCrossSite({ host, origin: 'https://localhost:3000' }, 'https')).toBe(false);
    for (const origin of ['http://evil.example', 'http://localhost', 'https://localhost:3000', 'null', '']) {
      expect([origin, isCrossSite({ host, origin }, 'http')]).toEqual([origin, true]);
    }
  });

  it('is known by Sec-Fetch-Site', () => {
    for (const site of ['cross-site', 'same-site', ''])
      expect(isCrossSite({ host, 'sec-fetch-site': site }, 'http')).toBe(true);
    for (const site of ['same-origin', 'none'])
      expect(isCrossSite({ host, 'sec-fetch-site': site }, 'http')).toBe(false);
  });

  it('is not what a program sends, which has neither header', () => {
    expect(isCrossSite({ host }, 'http')).toBe(false);
  });
});
