import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { ListeningSentinelConnector, nodeConnector } from './node-connector.ts'
import type { RedisClients, RedisClient } from './redis-connection.ts'
import type { RedisSettings } from './redis-settings.ts'

/** How long anything may take, in milliseconds, so that a caller hears within two seconds that the store is gone. */
export const redisLimits = {
  connect: 1_000,
  read: 1_500,
  /** Longer than `replicas`, so that the server says how many it reached. */
  write: 2_000,
  replicas: 1_000,
  longestBackOff: 500,
} as const

type Part = keyof RedisClients

/** Three clients that know where to go and have not gone yet (`connect` starts them). All hold to one rule: fail soon, resend nothing. */
export function createRedisClients (settings: RedisSettings): RedisClients {
  const { topology } = settings
  const create = topology === 'cluster' ? createClusterClient : createClient
  return { reads: create(settings, 'reads'), writes: create(settings, 'writes'), subscriber: createSubscriber(settings) }
}

function createSubscriber (settings: RedisSettings): Redis {
  if (settings.topology !== 'cluster') return createClient(settings, 'subscriber')
  const Connector = nodeConnector(tlsOptions(settings), settings.nodes)
  return new Redis({ ...connectionOptions(settings, 'subscriber'), ...reconnecting, Connector })
}

function createClient (settings: RedisSettings, part: Part): Redis {
  return new Redis({ ...connectionOptions(settings, part), ...reconnecting, ...placeOptions(settings) })
}

function placeOptions (settings: RedisSettings): Omit<RedisOptions, 'replyMapping'> {
  const { topology, nodes, masterName, sentinelPassword, database } = settings
  const tls = tlsOptions(settings)
  if (topology === 'single') return { ...nodes[0], db: database }
  return {
    Connector: ListeningSentinelConnector as never,
    sentinels: nodes.map((node) => ({ ...node })),
    ...(masterName !== undefined && { name: masterName }),
    ...(sentinelPassword !== undefined && { sentinelPassword: sentinelPassword.reveal() }),
    ...(tls !== undefined && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    db: database,
    sentinelCommandTimeout: redisLimits.connect,
    // Never `null`: that would end the client for good while all sentinels are away.
    sentinelRetryStrategy: backOff,
    // Not `failoverDetector`: its clients print their errors and reject unheard. A master that failed over closes, stops answering, or says
    // READONLY; each of them leads back to the sentinels.
  }
}

function createClusterClient (settings: RedisSettings, part: Part): Cluster {
  const cluster = new Cluster(settings.nodes.map((node) => ({ ...node })), {
    redisOptions: connectionOptions(settings, part),
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: part === 'reads',
    clusterRetryStrategy: backOff,
    // A node that is gone leaves the pool; the next one asked names its successor (MOVED).
    clusterNodeRetryStrategy: null,
    slotsRefreshInterval: 5_000,
    slotsRefreshTimeout: redisLimits.connect,
    maxRedirections: 6,
    // "Connection is closed" doesn't say whether the command was run: it isn't sent again. CLUSTERDOWN and TRYAGAIN say so.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 100,
    retryDelayOnTryAgain: 100,
    // Names stay names, since a certificate speaks of names.
    dnsLookup: (name, callback) => { callback(null, name) },
  })
  // With the queue off, a command for a node that is still connecting fails; so nodes connect when they are found.
  cluster.on('+node', (node: Redis) => {
    if (node.status === 'wait') node.connect().catch(() => undefined)
  })
  return cluster
}

function backOff (attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 10), redisLimits.longestBackOff) + Math.floor(Math.random() * 50)
}

/** For clients that reconnect by themselves; in a cluster the pool does it. */
const reconnecting = {
  retryStrategy: backOff,
  /**
   * A write on a server that has become a replica: whoever holds the address now must be asked for anew. Older servers put the word
   * into the middle of a script's error. 1 means: reconnect, and don't send the command again.
   */
  reconnectOnError: (error: Error) => /\bREADONLY\b|^UNBLOCKED\b|^MASTERDOWN\b/.test(error.message) ? 1 : false,
} as const

function connectionOptions (settings: RedisSettings, part: Part) {
  const { username, password } = settings
  const tls = tlsOptions(settings)
  const commandTimeout = part === 'writes' ? redisLimits.write : redisLimits.read
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
    ...(tls !== undefined && { tls }),
    Connector: nodeConnector(tls),
    connectionName: `jointgate-${part}`,
    lazyConnect: true,
    connectTimeout: redisLimits.connect,
    commandTimeout,
    // A peer that vanished without a word: the connection is given up a little after its first unanswered command.
    socketTimeout: commandTimeout + 250,
    disconnectTimeout: 500,
    keepAlive: 10_000,
    // What was under way when the connection broke fails at once. A write whose fate is unknown must not run a second time by itself:
    // the marketplace repeats it, and it is recognised.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Without a connection every command fails at once, instead of piling up and running later, when nobody waits for it any more.
    enableOfflineQueue: false,
    enableAutoPipelining: part === 'reads',
    // Whoever subscribes does it again at each `ready`: what ioredis does by itself rejects unheard when the connection breaks meanwhile.
    autoResubscribe: false,
    // RESP2 is spoken by every server, proxy and managed service; nothing here needs more.
    protocol: 2,
    disableClientInfo: true,
  } as const
}

function tlsOptions ({ tls, authorities }: RedisSettings): ConnectionOptions | undefined {
  // Said aloud, so that no variable of the environment switches it off (NODE_TLS_REJECT_UNAUTHORIZED).
  return tls ? { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(authorities !== undefined && { ca: authorities }) } : undefined
}

/** The servers behind a client: itself, or the nodes of its cluster. */
export function serversOf (client: RedisClient, role: 'all' | 'master' = 'all'): Redis[] {
  return client instanceof Cluster ? client.nodes(role) : [client]
}
