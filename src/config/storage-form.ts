import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Secret } from '../base/secret.ts'
import type { RedisAddress, RedisNode } from '../storage/redis/connection/redis-settings.ts'
import { Complaint, form } from './forms.ts'

export type StorageSetting =
  | { readonly kind: 'lmdb', readonly directory: string }
  | { readonly kind: 'redis' } & RedisAddress

/** `lmdb:DIRECTORY`, or one of the addresses of Redis. */
export const storageForm = form((input): StorageSetting | Complaint => {
  if (typeof input === 'string' && input.startsWith('lmdb:') && input.length > 'lmdb:'.length) {
    return { kind: 'lmdb', directory: input.slice('lmdb:'.length) }
  }
  const parts = typeof input === 'string' ? redisUrl.exec(input)?.groups : undefined
  if (parts === undefined) {
    return new Complaint('must be lmdb:DIRECTORY, redis://HOST, redis+sentinel://HOSTS/MASTER or redis+cluster://HOSTS, or rediss… for TLS')
  }
  const address = parseAddress(parts)
  return address instanceof Complaint ? address : { kind: 'redis', ...address }
})

// By hand, since `URL` takes one host only.
const redisUrl = /^redis(?<tls>s)?(?:\+(?<topology>sentinel|cluster))?:\/\/(?:(?<userInfo>[^@/?#]*)@)?(?<hosts>[^@/?#]+)(?:\/(?<path>[^?#]*))?(?:\?(?<query>[^?#]*))?$/

type UrlParts = Readonly<Record<string, string | undefined>>

function parseAddress ({ tls, topology: word, userInfo, hosts = '', path = '', query = '' }: UrlParts): RedisAddress | Complaint {
  const topology = word === 'sentinel' || word === 'cluster' ? word : 'single'
  const user = parseUserInfo(userInfo)
  if (user === undefined) return new Complaint('must name the user as USER:PASSWORD@ or :PASSWORD@, each percent-encoded')
  const nodes = hosts.split(',').map((host) => parseNode(host, topology === 'sentinel' ? 26_379 : 6_379))
  if (!nodes.every((node) => node !== undefined)) return new Complaint('must name hosts as HOST or HOST:PORT, several divided by commas')
  if (topology === 'single' && nodes.length > 1) return new Complaint('names several hosts: write redis+sentinel:// or redis+cluster://')
  const place = parsePath(path, topology)
  if (place instanceof Complaint) return place
  const prefix = parsePrefix(query)
  if (prefix === undefined) return new Complaint('may end in ?prefix=NAME and nothing else: 1 to 32 small letters, digits and "-"')
  return { topology, nodes, tls: tls !== undefined, ...user, ...place, prefix }
}

function parseUserInfo (userInfo: string | undefined): Pick<RedisAddress, 'username' | 'password'> | undefined {
  if (userInfo === undefined) return { username: undefined, password: undefined }
  const [username, password, ...more] = userInfo.split(':').map(decode)
  // A lone word could be either; taking it for the wrong one would look like a wrong password.
  if (username === undefined || password === undefined || password === '' || more.length > 0) return undefined
  return { username: username === '' ? undefined : username, password: new Secret(password) }
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function parseNode (text: string, defaultPort: number): RedisNode | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text)
  const host = parts?.[1] ?? parts?.[2]
  const port = Number(parts?.[3] ?? defaultPort)
  if (host === undefined || port < 1 || port > 65_535 || (parts?.[1] !== undefined && isIP(host) !== 6)) return undefined
  return { host, port }
}

type Place = Pick<RedisAddress, 'masterName' | 'database'>

function parsePath (path: string, topology: RedisAddress['topology']): Place | Complaint {
  const [first = '', second = '', ...more] = topology === 'sentinel' ? path.split('/') : ['', ...path.split('/')]
  const database = second === '' ? 0 : /^\d{1,4}$/.test(second) ? Number(second) : undefined
  if (topology === 'cluster' && path !== '') return new Complaint('must have no path in a cluster, which has no databases')
  if (topology === 'sentinel' && !/^[A-Za-z0-9._-]+$/.test(first)) return new Complaint('must name the master behind the hosts: redis+sentinel://HOSTS/MASTER')
  if (database === undefined || more.length > 0) return new Complaint('must end in the number of a database, or in none')
  return { masterName: topology === 'sentinel' ? first : undefined, database }
}

const defaultPrefix = 'jointgate'

function parsePrefix (query: string): string | undefined {
  if (query === '') return defaultPrefix
  return /^prefix=([a-z0-9-]{1,32})$/.exec(query)?.[1]
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** PEM certificates, one behind the other; empty for none. `\n` may stand for a line break, as in many `.env` files. */
export const certificatesForm = form((input) => {
  if (typeof input !== 'string') return new Complaint('must be PEM text')
  const text = input.replaceAll('\\n', '\n')
  const blocks = text.match(certificateBlock) ?? []
  if (text.replaceAll(certificateBlock, '').trim() !== '') return new Complaint('must be PEM certificates and nothing else')
  if (!blocks.every(isCertificate)) return new Complaint('holds a certificate that cannot be read')
  return blocks.length === 0 ? undefined : blocks.join('\n')
})

function isCertificate (pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== ''
  } catch {
    return false
  }
}
