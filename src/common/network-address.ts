import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
const MAPPED = ['0', '0', '0', '0', '0', 'ffff'];

/**
 * What failures that come from an IP address are counted under. Of IPv6 the /64, of which whoever has one address has all; of an
 * IPv4 address, also in the form of IPv6, the address. Any other text is its own.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const groups = groupsOf(address.split('%', 1)[0]!);
  if (MAPPED.every((group, i) => groups[i] === group)) return ipv4Of(groups[6]!, groups[7]!);
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [first = [], last = []] = address.split('::').map(partsOf);
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last];
}

function partsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((part) => (part.includes('.') ? pairOf(part) : short(part)));
}

/** The two groups that an IPv4 address at the end stands for. */
function pairOf(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
}

function ipv4Of(high: string, low: string): string {
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

function short(group: string): string {
  return Number.parseInt(group, 16).toString(16);
}
