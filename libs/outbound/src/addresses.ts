import { BlockList, isIP } from 'node:net'

type Range = readonly [network: string, prefix: number]

/** IPv4 ranges that are not on the public internet, from IANA's special-purpose metricsRegistry, and one that should not be. */
const closedV4: readonly Range[] = [
  ['0.0.0.0', 8], // this host
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT; holds one cloud's metadata service
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // the metadata service of one cloud, on a public address
  ['169.254.0.0', 16], // link-local; the metadata service of most clouds
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments; holds one cloud's metadata service
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
]

/**
 * Of IPv6 only 2000::/3 is public. Everything that carries an IPv4 address in another spelling lies outside it (mapped,
 * NAT64, link-local, unique local, multicast) or in the ranges below.
 */
const publicV6: Range = ['2000::', 3]
const closedV6: readonly Range[] = [
  ['2001::', 23], // protocol assignments: Teredo, benchmarks, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: wraps any IPv4 address
  ['3fff::', 20], // documentation
]

function listOf(family: 'ipv4' | 'ipv6', ranges: readonly Range[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family)
  return list
}

const closed4 = listOf('ipv4', closedV4)
const open6 = listOf('ipv6', [publicV6])
const closed6 = listOf('ipv6', closedV6)

/**
 * Whether an address, as a resolver gives it or as it stands in a URL, is one of the public internet. Anything that is
 * not plainly an IP address (a name, a zone id, an odd spelling) is not.
 */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !closed4.check(address, 'ipv4')
  if (family === 0 || address.includes('%')) return false
  return open6.check(address, 'ipv6') && !closed6.check(address, 'ipv6')
}
