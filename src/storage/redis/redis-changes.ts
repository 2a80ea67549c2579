import type { InstanceId, Realm, TenantId } from '../../directory/model.ts'
import type { SessionRef } from '../../session/session.ts'
import { createChangeFeed, type ChangeFeed, type StoreChange } from '../../session/store-changes.ts'
import type { RedisConnection } from './connection/redis-connection.ts'

/** What can be told to the other gateways: that notifications were lost, each finds out by itself. */
type ToldChange = Exclude<StoreChange, { kind: 'anything' }>

const realms: Readonly<Record<string, Realm>> = { p: 'production', t: 'test' }

/** A change as it is published on `RedisKeys.channel`. It names ids and nothing else: whoever hears it looks by himself. */
export function encodeChange (change: ToldChange): string {
  switch (change.kind) {
    case 'tenant': return JSON.stringify(['t', change.realm[0], change.tenantId])
    case 'instance': return JSON.stringify(['i', change.realm[0], change.instanceId])
    case 'session': return JSON.stringify(['s', change.ref])
  }
}

/** A change that has no words of its own. */
export const anythingMessage = JSON.stringify(['anything'])

/** A message that is none of ours may be one of a newer gateway: then anything may have changed. */
export function parseChange (message: string): StoreChange {
  const [kind, first, id] = partsOf(message)
  const realm = realms[first ?? '']
  if (kind === 's' && first !== undefined) return { kind: 'session', ref: first as SessionRef }
  if (kind === 't' && realm !== undefined && id !== undefined) return { kind: 'tenant', realm, tenantId: id as TenantId }
  if (kind === 'i' && realm !== undefined && id !== undefined) return { kind: 'instance', realm, instanceId: id as InstanceId }
  return { kind: 'anything' }
}

function partsOf (message: string): string[] {
  try {
    const parts: unknown = JSON.parse(message)
    return Array.isArray(parts) && parts.every((part) => typeof part === 'string') ? parts : []
  } catch {
    return []
  }
}

/** What this gateway did itself is told at once (`tell`), and once more when it comes back from Redis; what others did comes from there. */
export interface RedisChanges extends ChangeFeed {
  /**
   * Whether notifications are expected to arrive. While they aren't, nothing may be answered from memory. They may be lost in silence
   * all the same (a connection that swallows them), so memory is bounded in time in any case.
   */
  readonly isListening: boolean
}

export function openRedisChanges ({ keys, subscriber }: Pick<RedisConnection, 'keys' | 'subscriber'>): RedisChanges {
  const feed = createChangeFeed()
  let isListening = false

  const subscribe = async (): Promise<void> => {
    await subscriber.subscribe(keys.channel)
    if (subscriber.status !== 'ready') return
    isListening = true
    // What was published before, nobody here has heard.
    feed.tell({ kind: 'anything' })
  }
  // If it fails, the connection is gone or its rights are missing: nothing is remembered then, and the next `ready` tries again.
  const subscribeQuietly = (): void => { subscribe().catch(() => undefined) }
  const stopped = (): void => { isListening = false }

  subscriber.on('message', (channel: string, message: string) => {
    if (channel === keys.channel) feed.tell(parseChange(message))
  })
  subscriber.on('ready', subscribeQuietly)
  subscriber.on('close', stopped)
  subscriber.on('end', stopped)
  if (subscriber.status === 'ready') subscribeQuietly()

  return {
    ...feed,
    get isListening () { return isListening },
  }
}
