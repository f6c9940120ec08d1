import { isIP } from 'node:net';

const FORM =
  'must be IP addresses and networks (CIDR, such as 10.0.0.0/8) of proxies, separated by commas; not the whole internet';

/** Reads a list of addresses and networks. Throws an Error that says what is expected; a network of all addresses would let anybody forge one. */
export function proxyList(text: string): readonly string[] {
  if (text.trim() === '') return [];
  return text.split(',').map((entry) => {
    const [address = '', bits, ...more] = entry.trim().split('/');
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const isNetwork = bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most);
    if (family === 0 || address.includes('%') || !isNetwork || more.length > 0) throw new Error(FORM);
    return entry.trim();
  });
}
