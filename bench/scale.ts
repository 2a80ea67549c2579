import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../src/base/clock.ts'
import { SealedBox } from '../src/base/sealed-box.ts'
import { Secret } from '../src/base/secret.ts'
import { decideAccess } from '../src/directory/decide-access.ts'
import type { DirectoryStore } from '../src/directory/directory-store.ts'
import type { AppId, InstanceId, TenantId, UserName } from '../src/directory/model.ts'
import { versionAt } from '../src/directory/push-version.ts'
import { openLmdbStorage } from '../src/storage/lmdb/open-lmdb-storage.ts'
import { appId as testAppId, openTestGateway, testEnvironment } from '../test/support/build-gateway.ts'
import { bindTenant, signIn } from '../test/support/signed-in.ts'

/**
 * What a decision and a sign-in cost with few and with many accounts. Each size runs in a process of its own, so that the memory of one
 * isn't the other's.
 */
const accountsPerTenant = 100
const decisions = 20_000
const signIns = 200
const appId = testAppId as AppId
const contract = { graceDays: 1, grace: 'full', expired: 'renew', frozen: 'renew', released: 'refuse' } as const
const tenantAt = (index: number) => `tenant-${index}` as TenantId
const userAt = (index: number) => `user-${index}` as UserName
const instanceAt = (index: number) => `instance-of-${index}` as InstanceId

type Sample = Readonly<Record<'decisionMicroseconds' | 'signInMilliseconds' | 'heapMb' | 'rssMb' | 'diskMb', number>>

const [tenants] = process.argv.slice(2).map(Number)
if (tenants === undefined) compare()
else process.stdout.write(JSON.stringify(await sample(tenants)))

function compare (): void {
  const [few, many] = [10, 10_000].map((tenants) => {
    const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', ...process.execArgv, fileURLToPath(import.meta.url), String(tenants)], { encoding: 'utf8' })
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as Sample
  }) as [Sample, Sample]
  for (const name of ['decisionMicroseconds', 'signInMilliseconds', 'heapMb', 'rssMb', 'diskMb'] as const) {
    const ratio = (many[name] / few[name]).toFixed(2)
    console.log(`${name}: ${few[name].toFixed(1)} with 1000 accounts in 10 tenants, ${many[name].toFixed(1)} with a million in 10 000, ratio ${ratio}`)
  }
}

async function sample (tenants: number): Promise<Sample> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'jointgate-scale-'))
  const closers: (() => unknown)[] = []
  const t = { teardown: (closer: () => unknown) => { closers.push(closer) } }
  try {
    const { JOINTGATE_SECRET_KEYS: key = '' } = testEnvironment({ url: 'http://127.0.0.1:1', upstream: '', dataFolder })
    const storage = openLmdbStorage(dataFolder, new SealedBox([Buffer.from(key, 'base64')]), systemClock)
    await fill(storage.directory, tenants)
    await storage.close()

    const gateway = await openTestGateway(t, { dataFolder })
    const server = await bindTenant(t, gateway)
    const { directory } = gateway.storage
    await decide(directory, tenants)
    const decisionMicroseconds = await decide(directory, tenants)
    const times: number[] = []
    for (let count = -signIns; count < signIns; count++) {
      const startedAt = performance.now()
      await signIn(gateway, server)
      // The first half warms up.
      if (count >= 0) times.push(performance.now() - startedAt)
    }
    // What is left is held, not forgotten garbage of the filling.
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    const disk = spawnSync('du', ['-sk', dataFolder], { encoding: 'utf8' }).stdout
    const signInMilliseconds = median(times)
    return { decisionMicroseconds, signInMilliseconds, heapMb: heapUsed / 1e6, rssMb: rss / 1e6, diskMb: parseInt(disk) / 1000 }
  } finally {
    for (const closer of closers.reverse()) await closer()
    rmSync(dataFolder, { recursive: true, force: true })
  }
}

async function fill (directory: DirectoryStore, tenants: number): Promise<void> {
  const version = versionAt(Date.now())
  for (let index = 0; index < tenants; index++) {
    const head = { realm: 'production', tenantId: tenantAt(index), instanceId: instanceAt(index), version } as const
    const keep = (name: string) => ({ signatureDigest: `${name} ${index}`, expiresAt: 0 })
    const accounts = Array.from({ length: accountsPerTenant }, (_account, user) => ({
      userName: userAt(user), name: `员工${user}`, departmentCode: '10000', role: 'user' as const, isEnabled: true, details: { email: `user-${user}@example.com` },
    }))
    await Promise.all([
      directory.commit({ ...head, kind: 'tenant', change: 'add', name: 'A', authorizationServer: 'https://a.example' }, keep('t')),
      directory.commit({ ...head, kind: 'application', change: 'add', appId, clientId: 'c', clientSecret: new Secret('s') }, keep('b')),
      directory.commit({ ...head, kind: 'accounts', change: 'add', appId, accounts }, keep('a')),
    ])
  }
}

/** Microseconds for one decision over a random account, the median of slices: a collection of garbage falls on few of them. */
async function decide (directory: DirectoryStore, tenants: number): Promise<number> {
  const slices: number[] = []
  for (let slice = 0; slice < decisions / 100; slice++) {
    const startedAt = performance.now()
    for (let count = 0; count < 100; count++) {
      const tenantId = tenantAt(Math.floor(Math.random() * tenants))
      const userName = userAt(Math.floor(Math.random() * accountsPerTenant))
      const decision = decideAccess(await directory.viewAccess('production', tenantId, appId, userName), { now: Date.now(), contract })
      if (decision.kind !== 'allow') throw new Error(`${tenantId} ${userName}: ${decision.reason}`)
    }
    slices.push((performance.now() - startedAt) * 10)
  }
  return median(slices)
}

function median (values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}
