import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { storageForm } from '../../src/config/storage-form.ts'
import { createRedisConnection, type RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import type { RedisSettings } from '../../src/storage/redis/connection/redis-settings.ts'
import { freePort } from './build-gateway.ts'

interface Test { teardown (closer: () => unknown): void }

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly folder: string
  readonly process: ChildProcess
  /** As a power cut does it to the process. */
  kill (): Promise<void>
  /** Starts again on the same folder and port. */
  restart (): Promise<void>
}

/** A redis-server that syncs each write, as the gateway asks for. */
export async function openRedisServer (t: Test, settings: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always', ...settings]
  let child = await startRedis(args)
  const kill = (): Promise<void> => killRedis(child)
  t.teardown(async () => {
    await kill()
    // A child that the killed server had forked to save may still be writing.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    folder,
    get process () { return child },
    kill,
    async restart () { child = await startRedis(args) },
  }
}

export interface TlsRedisServer extends RedisServer {
  /** `localhost`, whatever the certificate says. */
  readonly tlsUrl: string
}

/** @param certificate a name in test/fixtures/tls */
export async function openTlsRedisServer (t: Test, certificate: string): Promise<TlsRedisServer> {
  const tlsPort = await freePort()
  const file = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url))
  const server = await openRedisServer(t, [
    '--tls-port', String(tlsPort), '--tls-cert-file', file(certificate), '--tls-key-file', file('server-key'), '--tls-auth-clients', 'no',
    '--tls-ca-cert-file', file('authority'),
  ])
  return { ...server, tlsUrl: `rediss://localhost:${tlsPort}` }
}

const running = new Set<ChildProcess>()
const killAll = (): void => { for (const child of running) killWithChildren(child) }
process.once('exit', killAll)
process.once('SIGTERM', () => {
  killAll()
  process.exit(143)
})

/** Starts redis-server, or a sentinel, and waits until it takes connections. */
export async function startRedis (args: readonly string[], ready = 'Ready to accept connections'): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child)
  child.once('exit', () => { running.delete(child) })
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (line.includes(ready)) {
      child.stdout.resume()
      return child
    }
  }
  throw new Error(`redis-server did not start:\n${lines.join('\n')}`)
}

export async function killRedis (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  killWithChildren(child)
  await exit
}

/** A process that Redis has forked, to write a file anew, would go on writing into a folder that is being removed. */
function killWithChildren ({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Gone by itself.
  }
}

/** Asks every 20 ms, ten seconds at most. */
export async function eventually (what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!await isSo()) {
    if (performance.now() > end) throw new Error(`in vain: ${what}`)
    await sleep(20)
  }
}

/** What a storage URL means to the store. */
export function redisSettings (url: string, others: Partial<RedisSettings> = {}): RedisSettings {
  const address = storageForm.parse(url)
  if (address.kind !== 'redis') throw new Error('no address of Redis')
  return { ...address, authorities: undefined, sentinelPassword: undefined, replicas: 0, ...others }
}

let prefixes = 0

/** A connection with a prefix of its own, an empty store on a server that others use too; or with the prefix of one that is there. */
export function openRedisConnection (t: Test, { port }: Pick<RedisServer, 'port'>, prefix = `test${prefixes++}`): RedisConnection {
  const client = (): Redis => new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1, commandTimeout: 2_000 })
  const reads = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1, commandTimeout: 2_000, enableAutoPipelining: true })
  const connection = createRedisConnection({ reads, writes: client(), subscriber: client() }, prefix, {
    replicas: 0, waitForDisk: false, timeoutMs: 1_000,
  })
  t.teardown(() => connection.close())
  return connection
}
