import type { EventEmitter } from 'node:events'
import { Cluster, type Redis } from 'ioredis'
import { serversOf } from './create-redis-clients.ts'
import { describeRedisError } from './describe-redis-error.ts'
import type { RedisClient, RedisClients } from './redis-connection.ts'

export type RedisEvent = 'storage.lost' | 'storage.recovered' | 'storage.node-lost' | 'storage.unsafe' | 'storage.warning'
/** Takes a line about the connection. It holds no password, key or value. */
export type OnRedisEvent = (level: 'info' | 'warn' | 'error', event: RedisEvent, message: string) => void

const heartbeatMs = 2_000

/** What the server says to a client that is connected and may do nothing. */
const refusal = /^(NOAUTH|NOPERM|WRONGPASS) /

type Part = keyof RedisClients

/**
 * Tells of each loss (of a connection, of a cluster's node) and each recovery once, of a loss again when it has another reason, and asks
 * each server now and then, so that a connection whose other end vanished is found even while nobody uses it: a silent subscriber would be
 * deaf for ever. A server that answers but refuses the gateway (its user, its password, its rights) is lost too.
 *
 * @param onReady after the connection for writes has come back
 * @returns a function that ends it
 */
export function watchClients (clients: RedisClients, onEvent: OnRedisEvent, onReady: () => void): () => void {
  const losses = createLosses(onEvent)
  const listeners: Array<() => void> = []
  const listen = (client: RedisClient, event: string, listener: (value: Redis & Error, node: string) => void): void => {
    // Both classes are emitters; only their overloads differ.
    const emitter: EventEmitter = client
    emitter.on(event, listener)
    listeners.push(() => { emitter.off(event, listener) })
  }
  const ask = (part: Part): void => {
    const client = clients[part]
    const servers = serversOf(client).filter(({ status }) => status === 'ready')
    Promise.all(servers.map((server) => server.ping())).then(() => {
      losses.forgetNodes(servers)
      if (client.status === 'ready' && servers.length > 0 && losses.end(part) && part === 'writes') onReady()
    }, (error: unknown) => {
      if (refusal.test(describeRedisError(error))) losses.begin(part, error)
    })
  }
  const parts = Object.keys(clients) as Part[]
  for (const part of parts) {
    const client = clients[part]
    listen(client, 'error', (error: Error) => { losses.explain(part, (error as { lastNodeError?: Error }).lastNodeError ?? error) })
    listen(client, 'close', () => { losses.begin(part) })
    // Whether it may do anything is another question: ioredis takes a server that refuses INFO as ready.
    listen(client, 'ready', () => { ask(part) })
    if (!(client instanceof Cluster)) continue
    listen(client, 'node error', (error: Error, node) => { losses.remember(error, node) })
    // Every client has its own pool; one of them is enough to tell.
    if (part === 'writes') listen(client, '-node', (node: Redis) => { losses.tellOfNode(node) })
  }
  const heartbeat = setInterval(() => { parts.forEach(ask) }, heartbeatMs).unref()
  return () => {
    clearInterval(heartbeat)
    for (const end of listeners) end()
    // ioredis prints what nobody listens to.
    for (const client of Object.values(clients) as RedisClient[]) client.on('error', () => undefined)
  }
}

function createLosses (onEvent: OnRedisEvent) {
  const closed = 'the connection was closed'
  const lost = new Set<Part>()
  const lostNodes = new Set<string>()
  const nodeErrors = new Map<string, string>()
  let lastError = closed
  let toldReason = ''
  const tell = (begin: string): void => {
    toldReason = reasonOf(lastError)
    onEvent('error', 'storage.lost', `${begin}: ${lastError}`)
  }
  /** @param node the cluster's node that it came from: another node's loss has reasons of its own */
  const remember = (error: unknown, node?: string): void => {
    lastError = describeRedisError(error)
    if (node !== undefined) nodeErrors.set(node, lastError)
  }
  const explain = (part: Part, error: unknown): void => {
    remember(error)
    if (lost.size > 0 && reasonOf(lastError) !== toldReason) tell(`the connection to Redis (${part}) is still lost`)
  }
  return {
    remember,
    explain,
    begin (part: Part, error?: unknown): void {
      if (error !== undefined) explain(part, error)
      if (lost.size === 0) tell(`the connection to Redis (${part}) was lost`)
      lost.add(part)
    },
    /** @returns whether it was lost */
    end (part: Part): boolean {
      if (!lost.delete(part)) return false
      if (lost.size === 0) {
        lastError = closed
        onEvent('info', 'storage.recovered', 'every connection to Redis is back')
      }
      return true
    },
    /** Until the cluster has chosen a new master it names the old one, and the pool takes that in and throws it out again and again. */
    tellOfNode (node: Redis): void {
      const name = nodeName(node)
      if (lostNodes.has(name)) return
      lostNodes.add(name)
      onEvent('warn', 'storage.node-lost', `the cluster's node ${name} is gone: ${nodeErrors.get(name) ?? closed}`)
    },
    /** @param nodes which have just answered */
    forgetNodes (nodes: readonly Redis[]): void {
      for (const name of nodes.map(nodeName)) {
        lostNodes.delete(name)
        nodeErrors.delete(name)
      }
    },
  }
}

function nodeName ({ options: { host, port } }: Redis): string {
  return `${host ?? ''}:${port ?? ''}`
}

/** The word that a refusal of Redis begins with; all ways of not being reached are one. */
function reasonOf (message: string): string {
  return /^[A-Z]{3,}(?= )/.exec(message)?.[0] ?? 'unreachable'
}
