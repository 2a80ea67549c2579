import { BlockList, isIP } from 'node:net'

const innerAddresses = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24],
  // Azure's platform service, which answers under a public address to its own machines only.
  ['168.63.129.16', 32],
  ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24],
  ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) innerAddresses.addSubnet(network, bits, 'ipv4')
// Those in which a gateway of the network may find an IPv4 address (NAT64, SIIT, 6to4, Teredo) are refused whole.
for (const [network, bits] of [
  ['::', 96], ['::ffff:0:0:0', 96], ['64:ff9b::', 96], ['64:ff9b:1::', 48], ['100::', 64], ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20],
  ['5f00::', 16], ['fc00::', 7], ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
] as const) innerAddresses.addSubnet(network, bits, 'ipv6')

/**
 * Addresses of loopback, private, link-local, shared and other special networks (RFC 6890), also when written as IPv6; and what is
 * no address.
 */
export function isInnerAddress (address: string): boolean {
  const family = isIP(address)
  // A mapped IPv4 address (`::ffff:7f00:1`) is checked against the IPv4 networks by the list itself.
  return family === 0 || innerAddresses.check(address, family === 6 ? 'ipv6' : 'ipv4')
}
