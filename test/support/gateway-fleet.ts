import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { Secret } from '../../src/base/secret.ts'
import { sealClientSecret } from '../../src/push/signature/client-secret.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import { Browser } from './browser.ts'
import { appId, freePort, kitKey, testEnvironment, toPushTime, wireAccount } from './build-gateway.ts'
import { openFakeAuthorizationServer, type FakeAuthorizationServer } from './fake-authorization-server.ts'
import { openRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts'
import { startJointgate, type RunningProcess } from './run-jointgate.ts'
import { comeBack, tenantId } from './signed-in.ts'

interface Test { teardown (closer: () => unknown): void }

interface FleetOptions {
  /** `JOINTGATE_STORAGE` and what else it needs; of each gateway its own where they differ. */
  readonly storage: (index: number) => Record<string, string>
  readonly count: number
}

/** A push that is signed once and sent until somebody says that it was taken, as the marketplace does. */
export interface SignedPush { readonly name: string, readonly body: string, readonly headers: Record<string, string> }

/** Real gateway processes on one store, all of one application. A client talks to any of them. */
export interface GatewayFleet {
  readonly urls: readonly string[]
  readonly env: (index: number) => Record<string, string>
  readonly upstream: RecordingUpstream
  readonly server: FakeAuthorizationServer
  readonly processes: RunningProcess[]
  /** Kills as a power cut would. */
  kill (index: number): Promise<void>
  start (index: number): Promise<void>
  sign (name: string, members: Record<string, unknown>): SignedPush
  /** The result code, or `undefined` if no answer came. */
  send (push: SignedPush, index: number): Promise<string | undefined>
  /** Sends until it is taken. @returns how often it had to be sent */
  deliver (push: SignedPush): Promise<number>
  authSync (users: readonly string[], flag?: number, more?: Record<string, unknown>): SignedPush
  /** The cookie header of a new session of a user who was pushed. */
  signIn (userName: string, index?: number): Promise<string>
  /** The status of a page view by a script at one of the gateways; 0 if no answer came. */
  visit (cookie: string, index: number): Promise<number>
}

export async function openGatewayFleet (t: Test, { storage, count }: FleetOptions): Promise<GatewayFleet> {
  const upstream = await openRecordingUpstream(t)
  const server = await openFakeAuthorizationServer(t)
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-fleet-'))
  const urls: string[] = []
  for (let index = 0; index < count; index++) urls.push(`http://127.0.0.1:${await freePort()}`)
  const env = (index: number): Record<string, string> => ({
    ...testEnvironment({ url: urls[index] ?? '', upstream: upstream.url, dataFolder: join(folder, String(index)) }),
    JOINTGATE_PUBLIC_URL: urls[0] ?? '',
    ...storage(index),
  })
  const processes: RunningProcess[] = []
  t.teardown(async () => {
    for (const { child } of processes) child.kill('SIGKILL')
    await Promise.all(processes.map(({ ended }) => ended))
    rmSync(folder, { recursive: true, force: true })
  })

  let businessTime = 0
  const fleet: GatewayFleet = {
    urls,
    env,
    upstream,
    server,
    processes,

    async kill (index) {
      processes[index]?.child.kill('SIGKILL')
      await processes[index]?.ended
    },

    async start (index) {
      const process = startJointgate(['serve'], env(index))
      processes[index] = process
      await process.logged('gateway.started')
    },

    sign (name, members) {
      businessTime = Math.max(businessTime + 1, Date.now())
      const body = JSON.stringify({ instanceId: 'instance-1', testFlag: 0, timeStamp: toPushTime(businessTime), ...members })
      const headers = { 'content-type': 'application/json', ...signKitV2(kitKey, body, randomBytes(16).toString('hex'), Date.now()) }
      return { name, body, headers }
    },

    async send ({ name, body, headers }, index) {
      try {
        const answer = await request(`${urls[index] ?? ''}/_gate/marketplace/produceAPI/v2/${name}`, {
          method: 'POST', body, headers, headersTimeout: 10_000, bodyTimeout: 10_000,
        })
        return (await answer.body.json() as { resultCode: string }).resultCode
      } catch {
        return undefined
      }
    },

    async deliver (push) {
      for (let times = 1; times <= 200; times++) {
        if (await fleet.send(push, times % count) === '000000') return times
        await new Promise((resolve) => { setTimeout(resolve, 100) })
      }
      throw new Error(`${push.name} was never taken`)
    },

    authSync: (users, flag = 1, more = {}) => fleet.sign('authSync', {
      tenantId,
      appId,
      flag,
      currentSyncTime: toPushTime(Date.now()),
      userList: users.map((userName) => ({ ...wireAccount({ userName }), ...more })),
    }),

    async signIn (userName, index = 0) {
      const browser = new Browser(urls[index] ?? '')
      // The page's own origin is the public URL, which is the first gateway's.
      const answer = await comeBack(browser, server.issueCode({ userName, name: userName, tenant: tenantId }))
      if (!browser.cookies.has(cookieNames.session)) throw new Error(`not signed in: ${answer.status} ${answer.body}`)
      return browser.cookieHeader()
    },

    async visit (cookie, index) {
      try {
        const answer = await request(`${urls[index] ?? ''}/page`, {
          headers: { cookie, accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }, headersTimeout: 10_000,
        })
        await answer.body.dump()
        return answer.statusCode
      } catch {
        return 0
      }
    },
  }

  // One after the other: the first makes the signing key, and two cores start no faster for being asked three times at once.
  for (let index = 0; index < count; index++) await fleet.start(index)
  const publicKey = createPublicKey(env(0)['JOINTGATE_MARKETPLACE_PRIVATE_KEYS'] ?? '')
  await fleet.deliver(fleet.sign('tenantSync', { tenantId, tenantCode: 'sunrise', name: '晨曦科技', domainName: server.url, orderId: 'order-1', flag: 1 }))
  const clientSecret = sealClientSecret(new Secret('client-secret-1'), publicKey)
  await fleet.deliver(fleet.sign('applicationSync', { tenantId, appId, clientId: 'client-1', clientSecret, flag: 1 }))
  return fleet
}
