import t, { type Test } from 'tap'
import { Redis } from 'ioredis'
import { chromium, type Page } from 'playwright-core'
import type { AppId, TenantId, UserName } from '../../src/directory/model.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { systemClock } from '../../src/base/clock.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import { openStorage } from '../../src/storage/open-storage.ts'
import { createRedisKeys } from '../../src/storage/redis/connection/redis-keys.ts'
import { appId } from '../support/build-gateway.ts'
import { startFleetLoad, type FleetLoad, type LoadReport } from '../support/fleet-load.ts'
import { openGatewayFleet, type GatewayFleet } from '../support/gateway-fleet.ts'
import { openRedisCluster, type RedisCluster, type RedisClusterNode } from '../support/redis-cluster.ts'
import { openRedisSentinel } from '../support/redis-sentinel.ts'
import { openRedisServer, redisSettings } from '../support/redis-server.ts'
import { tenantId } from '../support/signed-in.ts'
import { openTcpFaultProxy } from '../support/tcp-fault-proxy.ts'

/*
 * What may break while people work and the marketplace pushes. Each time: no acknowledged push is lost, nobody is signed out, errors are
 * counted and shown, and it works again by itself. How long that took is printed, not judged, but for a bound at which a test hangs.
 */

const people = ['li', 'wang', 'zhang', 'liu', 'chen', 'yang']
const longestRecoveryMs = 45_000

const browser = await chromium.launch({ executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] })
t.teardown(() => browser.close())

interface SignedInFleet { readonly fleet: GatewayFleet, readonly cookies: string[], readonly page: Page }

async function openFleet (t: Test, storage: string | ((index: number) => string), count = 2): Promise<SignedInFleet> {
  const urlOf = (index: number): string => typeof storage === 'string' ? storage : storage(index)
  const fleet = await openGatewayFleet(t, { count, storage: (index) => ({ JOINTGATE_STORAGE: urlOf(index) }) })
  await fleet.deliver(fleet.authSync(people))
  const cookies: string[] = []
  for (const [turn, userName] of [...people, ...people].entries()) cookies.push(await fleet.signIn(userName, turn % count))
  return { fleet, cookies, page: await openPage(fleet, cookies[0] ?? '') }
}

/** A page of the application in a real browser, which asks again by itself, as one does that shows live figures. */
async function openPage (fleet: GatewayFleet, cookie: string): Promise<Page> {
  fleet.upstream.answer = (request, response) => {
    if (request.headers.accept?.includes('text/html') !== true) {
      response.end('figures')
      return
    }
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<title>application</title><p id="ok">0</p><p id="out">0</p><script>
      const count = (id) => { const e = document.getElementById(id); e.textContent = Number(e.textContent) + 1 }
      setInterval(() => fetch('/figures', { headers: { accept: 'application/json' } }).then(({ status }) => {
        if (status === 200) count('ok'); else if (status === 401 || status === 403) count('out') }, () => {}), 100)</script>`)
  }
  const context = await browser.newContext()
  const value = cookie.split('; ').find((pair) => pair.startsWith(`${cookieNames.session}=`))?.split('=')[1] ?? ''
  const url = fleet.urls[0]?.replace('http:', 'https:') ?? ''
  await context.addCookies([{ name: cookieNames.session, value, url, secure: true, httpOnly: true, sameSite: 'Lax' }])
  const page = await context.newPage()
  await page.goto(`${fleet.urls[0] ?? ''}/figures`)
  return page
}

async function countOf (page: Page, id: 'ok' | 'out'): Promise<number> {
  return Number(await page.locator(`#${id}`).textContent())
}

interface Scenario extends SignedInFleet {
  /** Where the store can be asked when all is over. */
  readonly storageUrl: string
  /** Breaks something; what it returns mends it again. */
  readonly fault: (load: FleetLoad) => Promise<() => Promise<unknown>>
}

async function liveThrough (t: Test, { fleet, cookies, page, storageUrl, fault }: Scenario): Promise<LoadReport> {
  const load = startFleetLoad(fleet, cookies)
  await settle(1_500)
  t.ok((load.report.statuses.get(200) ?? 0) > 20 && load.report.acknowledged.length > 5, 'under load')
  const shown = await countOf(page, 'ok')
  load.faultNow()
  const mend = await fault(load)
  await mend()
  await within(t, load)
  await everybodyIsIn(t, { fleet, cookies })
  await settle(1_000)
  const report = await load.stop()
  describe(t, report)

  t.same(report.signedOut, [], 'nobody was signed out or turned away')
  const lost = await missingUsers(fleet, storageUrl, report.acknowledged)
  t.same(lost, [], `each of ${report.acknowledged.length} acknowledged pushes is there`)
  for (const index of fleet.urls.keys()) {
    const statuses = await Promise.all(cookies.map((cookie) => fleet.visit(cookie, index)))
    t.same(statuses, cookies.map(() => 200), `every session lives at gateway ${index}`)
  }
  await page.waitForFunction(`Number(document.getElementById('ok').textContent) > ${shown + 5}`)
  t.equal(await countOf(page, 'out'), 0, 'the page in the browser was never told that it is signed out')
  await page.reload()
  t.equal(await page.title(), 'application', 'and its person is still signed in')
  return report
}

function describe (t: Test, { statuses, acknowledged, repeated, recoveryMs }: LoadReport): void {
  const told = [...statuses].sort(([a], [b]) => b - a).map(([status, count]) => `${count} × ${status === 0 ? 'no answer' : status}`).join(', ')
  t.comment(`page views: ${told}; pushes acknowledged: ${acknowledged.length}, of them sent more than once: ${repeated}; worked everywhere again after ${recoveryMs} ms`)
}

async function within (t: Test, load: FleetLoad): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, longestRecoveryMs) })
  await Promise.race([load.recovered(), late]).finally(() => { clearTimeout(timer) })
  t.ok(load.report.recoveryMs !== undefined, 'every gateway works again by itself')
}

/** In a cluster one slot may work long before another. */
async function everybodyIsIn (t: Test, { fleet, cookies }: Pick<Scenario, 'fleet' | 'cookies'>): Promise<void> {
  const startedAt = performance.now()
  for (const index of fleet.urls.keys()) {
    for (const cookie of cookies) {
      while (await fleet.visit(cookie, index) !== 200 && performance.now() - startedAt < longestRecoveryMs) await settle(50)
    }
  }
  t.comment(`everybody was in everywhere ${Math.round(performance.now() - startedAt)} ms later`)
}

/** The acknowledged users that the store doesn't know. */
async function missingUsers (fleet: GatewayFleet, storageUrl: string, userNames: readonly string[]): Promise<string[]> {
  const key = Buffer.from(fleet.env(0)['JOINTGATE_SECRET_KEYS'] ?? '', 'base64')
  const storage = await openStorage({ kind: 'redis', redis: redisSettings(storageUrl) }, {
    box: new SealedBox([key]), clock: systemClock, dangerouslyAllowLoss: true, onEvent: () => {},
  })
  try {
    const missing: string[] = []
    for (const userName of userNames) {
      const { accounts } = await storage.directory.viewAccess('production', tenantId as TenantId, appId as AppId, userName as UserName)
      if (accounts.length === 0) missing.push(userName)
    }
    return missing
  } finally {
    await storage.close()
  }
}

function settle (milliseconds: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds) })
}

t.test('a gateway is killed, and then Redis itself', async (t) => {
  const redis = await openRedisServer(t)
  const signedIn = await openFleet(t, redis.url)
  await t.test('kill -9 of a gateway', async (t) => {
    await liveThrough(t, {
      ...signedIn,
      storageUrl: redis.url,
      fault: async () => {
        await signedIn.fleet.kill(0)
        return () => signedIn.fleet.start(0)
      },
    })
  })

  await t.test('kill -9 of Redis', async (t) => {
    const report = await liveThrough(t, {
      ...signedIn,
      storageUrl: redis.url,
      fault: async () => {
        await redis.kill()
        await settle(2_000)
        return () => redis.restart()
      },
    })
    t.ok((report.statuses.get(503) ?? 0) > 0, 'a store that is down is a 503')
  })
})

t.test('the network between one gateway and Redis is cut, then everything is swallowed', async (t) => {
  const redis = await openRedisServer(t)
  const proxy = await openTcpFaultProxy(t, redis.port)
  const signedIn = await openFleet(t, (index) => index === 0 ? `redis://127.0.0.1:${proxy.port}` : redis.url)
  for (const fault of ['cut', 'blackhole'] as const) {
    await t.test(fault, async (t) => {
      await liveThrough(t, {
        ...signedIn,
        storageUrl: redis.url,
        fault: async () => {
          proxy.set(fault)
          await settle(3_000)
          return async () => { proxy.set('pass') }
        },
      })
    })
  }
})

t.test('the Redis master is killed under Sentinel', async (t) => {
  const sentinel = await openRedisSentinel(t)
  const signedIn = await openFleet(t, sentinel.url)
  await liveThrough(t, {
    ...signedIn,
    storageUrl: sentinel.url,
    fault: async () => {
      await (await sentinel.findMaster()).kill()
      return async () => {}
    },
  })
})

/** Which node has the tenant: where every push goes. */
async function masterOf ({ nodes }: RedisCluster): Promise<RedisClusterNode> {
  const client = new Redis({ port: nodes[0]?.port ?? 0, host: '127.0.0.1' })
  const slot = Number(await client.cluster('KEYSLOT', createRedisKeys('jointgate').tenant('production', tenantId as TenantId)))
  client.disconnect()
  const node = nodes[Math.floor(slot * 3 / 16_384)]
  if (node === undefined) throw new Error('no node has the tenant')
  return node
}

t.test('the node of the cluster that has the tenant is killed', async (t) => {
  const cluster = await openRedisCluster(t, { hasReplicas: true })
  const signedIn = await openFleet(t, cluster.url)
  await liveThrough(t, {
    ...signedIn,
    storageUrl: cluster.url,
    fault: async () => {
      const node = await masterOf(cluster)
      await node.kill()
      // Its replica takes over, and then has none of its own: pushes wait until the node is back.
      await settle(4_000)
      return () => node.restart()
    },
  })
})
