import { BlockList, isIP, type Socket } from 'node:net'
import type { IncomingMessage } from 'node:http'

/** Who sent a request, as far as it can be known: an IP address without a zone. */
export type ClientAddressOf = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string

/**
 * The address of the connection, unless that is a trusted proxy: then the right-most hop of `X-Forwarded-For` that is none. What stands
 * left of it was written by the client itself (T-21).
 *
 * @param trustedProxies addresses and CIDR networks, checked by `isNetwork`
 */
export function createClientAddress (trustedProxies: readonly string[]): ClientAddressOf {
  const trusted = blockListOf(trustedProxies)
  const isTrusted = (address: string): boolean => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

  return ({ headers: { 'x-forwarded-for': forwarded }, socket }) => {
    let address = plainAddress(socket.remoteAddress ?? '') ?? '0.0.0.0'
    if (forwarded === undefined) return address
    const hops = String(forwarded).split(',')
    while (isTrusted(address)) {
      // Not an address: what a trusted proxy says beyond it can't be told from what its client says.
      const next = plainAddress(hops.pop()?.trim() ?? '')
      if (next === undefined) break
      address = next
    }
    return address
  }
}

/**
 * Whether the other end of a connection is one of these: the connection's own address, whatever the request says (T-18).
 *
 * @param networks checked by `isNetwork`; none: nobody is
 */
export function createPeerCheck (networks: readonly string[]): (socket: Pick<Socket, 'remoteAddress'>) => boolean {
  const list = blockListOf(networks)
  return ({ remoteAddress = '' }) => {
    const address = plainAddress(remoteAddress)
    return address !== undefined && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
}

/** An address, with or without a port, in the form that names it once: no zone, no IPv4 inside IPv6. */
function plainAddress (text: string): string | undefined {
  // Each request is asked for one, and this is what it mostly is.
  if (isIP(text) === 4) return text
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '')
  const dotted = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (dotted !== undefined && isIP(dotted) === 4) return dotted
  const family = isIP(address)
  if (family === 0) return undefined
  return (family === 6 ? mappedAddress(address) : undefined) ?? address.toLowerCase()
}

/** `192.0.2.1` for `0:0:0:0:0:FFFF:c000:201` and every other spelling of it; the URL standard brings them to one. */
function mappedAddress (address: string): string | undefined {
  if (!/ffff/i.test(address)) return undefined
  const [, high, low] = /^\[::ffff:([\da-f]{1,4}):([\da-f]{1,4})\]$/.exec(new URL(`http://[${address}]`).hostname) ?? []
  if (high === undefined || low === undefined) return undefined
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]).join('.')
}

/** Whether a text is an address or a CIDR network. The whole Internet (`/0`) is none that anybody could trust. */
export function isNetwork (text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || rest.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32))
}

function blockListOf (networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return list
}

/** Whom an address stands for when requests are counted: of IPv6 a network of 64 bits, since one client has as many addresses. */
export function countedAddress (address: string): string {
  if (isIP(address) !== 6) return address
  const [left = '', right] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const before = groups(left)
  const zeros = right === undefined ? 0 : Math.max(0, 8 - before.length - groups(right).length)
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...groups(right ?? '')]
  return `${all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
