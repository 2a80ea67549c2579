import { lookup as lookupAddress, type LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Agent, request } from 'undici'
import type { CustomFetch } from 'openid-client'

/** A token answer or a userinfo is a few hundred bytes; whoever sends more than this means harm. */
const largestAnswerBytes = 262_144

export interface OutboundOptions {
  /** The whole call, from look-up to the last byte. */
  readonly timeoutSeconds: number
  /** Lets calls go to loopback and private addresses too: for tests and the demo. */
  readonly dangerouslyAllowHttp: boolean
}

export interface Outbound {
  readonly fetch: CustomFetch
  close (): Promise<void>
}

/**
 * Calls to authorization servers, whose addresses came in pushes: no redirect is followed, no compression accepted, answers and
 * time are capped (C-16). An inner address is refused, and so is a name that leads to one; that is judged when it is resolved for
 * the connection, so that a second look-up cannot change the answer (DNS rebinding, T-44).
 */
export function openOutbound ({ timeoutSeconds, dangerouslyAllowHttp }: OutboundOptions): Outbound {
  const agent = new Agent({
    connect: { timeout: timeoutSeconds * 1000, ...(dangerouslyAllowHttp ? {} : { lookup: lookupPublic }) },
    connections: 16,
    keepAliveTimeout: 5_000,
    maxResponseSize: largestAnswerBytes,
  })
  return {
    close: () => agent.destroy(),
    fetch: async (url, { method, headers, body }) => {
      if (!dangerouslyAllowHttp) refuseInnerLiteral(url)
      const answer = await request(url, {
        dispatcher: agent,
        method: method as 'GET' | 'POST',
        headers: { ...headers, 'accept-encoding': 'identity' },
        // openid-client sends forms or nothing.
        body: body === undefined || body === null ? null : String(body as URLSearchParams),
        signal: AbortSignal.timeout(timeoutSeconds * 1000),
      })
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      const isBodiless = answer.statusCode === 204 || answer.statusCode === 205 || answer.statusCode === 304
      return new Response(isBodiless ? null : bytes, { status: answer.statusCode, headers: plainHeaders(answer.headers) })
    },
  }
}

function plainHeaders (headers: Record<string, string | string[] | undefined>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value = []]) => [value].flat().map((item): [string, string] => [name, item]))
}

const innerAddresses = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24],
  ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24],
  ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) innerAddresses.addSubnet(network, bits, 'ipv4')
// Those in which a gateway of the network may find an IPv4 address (NAT64, 6to4, Teredo) are refused whole.
for (const [network, bits] of [
  ['::', 96], ['64:ff9b::', 96], ['64:ff9b:1::', 48], ['100::', 64], ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['fc00::', 7],
  ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
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

/** No look-up is made for these, so nothing else would judge them. The URL parser has brought `127.1` and `0x7f000001` to one form. */
function refuseInnerLiteral (url: string): void {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0 && isInnerAddress(host)) throw innerAddressError()
}

function innerAddressError (): Error {
  return Object.assign(new Error('the host is an inner address'), { code: 'EINNER' })
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookupAddress(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return callback(error, '')
    const [first] = addresses
    if (first === undefined || addresses.some(({ address }) => isInnerAddress(address))) {
      return callback(innerAddressError(), '')
    }
    if (options.all === true) return callback(null, addresses)
    callback(null, first.address, first.family)
  })
}
