import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { openStorage } from '../../src/storage/open-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { testDirectoryStore } from '../contracts/directory-store.ts'
import { testErasureStore } from '../contracts/erasure-store.ts'
import { testKeyUsageStore } from '../contracts/key-usage-store.ts'
import { testLeaseStore } from '../contracts/lease-store.ts'
import { testLoginFlowStore } from '../contracts/login-flow-store.ts'
import { testOutbox } from '../contracts/outbox.ts'
import { testPushLog } from '../contracts/push-log.ts'
import { testRateLimitStore } from '../contracts/rate-limit-store.ts'
import { testSessionStore } from '../contracts/session-store.ts'
import { testSigningKeyStore } from '../contracts/signing-key-store.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openRedisCluster } from '../support/redis-cluster.ts'
import { openRedisSentinel } from '../support/redis-sentinel.ts'
import { redisSettings } from '../support/redis-server.ts'

/* The contracts that LMDB and one Redis keep (test/storage), kept in a cluster of three nodes and under Sentinel too. */

let stores = 0

/** An empty store, opened as `serve` does it. */
function opener (url: string, clockAt?: number) {
  return async (t: Test): Promise<Storage> => {
    const settings = redisSettings(`${url}?prefix=store-${stores++}`)
    const storage = await openStorage({ kind: 'redis', redis: settings }, {
      box: new SealedBox([Buffer.alloc(32, 1)]), clock: new ManualClock(clockAt), dangerouslyAllowLoss: true, onEvent: () => {},
    })
    t.teardown(() => storage.close())
    return storage
  }
}

const topologies: [name: string, open: (t: Test) => Promise<{ readonly url: string }>][] = [
  ['a cluster of three nodes', (t) => openRedisCluster(t)],
  ['a master under Sentinel', (t) => openRedisSentinel(t)],
]
for (const [name, open] of topologies) {
  t.test(`every port on ${name}`, async (t) => {
    const { url } = await open(t)
    const openNew = opener(url)
    // Flows and sessions of these contracts live around this time.
    const openEarly = opener(url, 1_000)
    await t.test('DirectoryStore', async (t) => { testDirectoryStore(t, async (t) => (await openNew(t)).directory) })
    await t.test('Outbox', async (t) => { testOutbox(t, openNew) })
    await t.test('PushLog', async (t) => { testPushLog(t, openNew) })
    await t.test('ErasureStore', async (t) => { testErasureStore(t, openNew) })
    await t.test('KeyUsageStore', async (t) => { testKeyUsageStore(t, async (t) => (await openNew(t)).keyUsage) })
    await t.test('SigningKeyStore', async (t) => { testSigningKeyStore(t, async (t) => (await openNew(t)).signingKeys) })
    await t.test('SessionStore', async (t) => { testSessionStore(t, async (t) => (await openEarly(t)).sessions) })
    await t.test('LoginFlowStore', async (t) => { testLoginFlowStore(t, async (t) => (await openEarly(t)).flows) })
    await t.test('LeaseStore', async (t) => { testLeaseStore(t, async (t) => (await openNew(t)).leases) })
    await t.test('RateLimitStore', async (t) => { testRateLimitStore(t, async (t) => (await openNew(t)).rateLimits) })
  })
}
