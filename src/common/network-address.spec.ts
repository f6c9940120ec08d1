import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { networkOf } from './network-address.js';

describe('The network of an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['undefined', 'undefined'],
    ['', ''],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('is the same however an IPv6 address is written, and whatever its last 64 bits are', () => {
    const groups = fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 4 });
    // None of the mapped addresses, which are told apart by their fifth and sixth group.
    fc.assert(
      fc.property(groups, groups, groups, (net, host, other) => {
        fc.pre(net.some((group) => group !== 0));
        const long = [...net, ...host].map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':');
        const url = new URL(`http://[${[...net, ...other].map((group) => group.toString(16)).join(':')}]`).hostname;
        expect(networkOf(long)).toBe(networkOf(url.slice(1, -1)));
      }),
    );
  });
});
