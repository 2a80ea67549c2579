import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { sha256 } from '../../src/base/digest.ts'
import type { InstanceId, Principal } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import { createAuthenticate, type Authenticate } from '../../src/session/authenticate.ts'
import type { SessionLimits } from '../../src/session/life-rules.ts'
import { createRenewal, type Renewal, type RenewalAnswer, type RenewalDeps } from '../../src/session/renew-session.ts'
import type { Session, SessionRef, TokenSet } from '../../src/session/session.ts'
import { startSession } from '../../src/session/start-session.ts'
import { openLmdbStorage, type Storage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { accountsPush, appId, applicationPush, tenantId, tenantPush, userName } from './directory-pushes.ts'
import { contractRules } from './instance-pushes.ts'
import { ManualClock } from './manual-clock.ts'

export const limits: SessionLimits = { idleTimeoutSeconds: 3_600, absoluteTimeoutSeconds: 43_200, renewalGraceSeconds: 600 }
export const tokenLifeMs = 7_200_000

const principal: Principal = {
  tenantId,
  tenantName: 'Acme',
  appId,
  instanceId: 'instance-1' as InstanceId,
  userName,
  name: '张三',
  role: 'user',
  departmentCode: '',
  access: 'full',
}

/** Everything that judges a request's session, on real storage, with the authorization server's answers in the test's hands. */
export interface SessionHouse {
  readonly storage: Storage
  readonly clock: ManualClock
  readonly authenticate: Authenticate
  readonly renew: Renewal
  /** What the authorization server was asked with, in order. */
  readonly asked: string[]
  /** What reached `onBackgroundFault`. */
  readonly faults: Array<{ error: unknown, ref: SessionRef }>
  /** Writes of a session that went through or not, and reads of the directory's rows. */
  readonly counts: { replaces: number, views: number }
  /** Answers a renewal; replace it at will. */
  answer: (session: Session) => Promise<RenewalAnswer>
  isStillKnown: RenewalDeps['isStillKnown']
  push (push: PushMessage): Promise<void>
  /** Signs in; the cookie header of the new session. */
  signIn (tokens?: Partial<TokenSet> | 'no refresh token', cookieHeader?: string): Promise<string>
  find (cookieHeader: string): Promise<Session | undefined>
  /** Resolves when what runs beside requests has been written. */
  settle (): Promise<void>
}

export const cookieOf = (id: string): string => `__Host-jointgate=${id}`
export const refOf = (cookieHeader: string): SessionRef => sha256(cookieHeader.replace('__Host-jointgate=', '')) as SessionRef

export async function openSessionHouse (t: Test, ownLimits: Partial<SessionLimits> = {}, contract = contractRules): Promise<SessionHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-session-'))
  const clock = new ManualClock()
  const storage = openLmdbStorage(folder, new SealedBox([Buffer.alloc(32, 1)]), clock)
  t.teardown(async () => {
    await storage.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const { directory } = storage
  const counts = { replaces: 0, views: 0 }
  const sessions: Storage['sessions'] = {
    ...storage.sessions,
    replace: (session) => {
      counts.replaces++
      return storage.sessions.replace(session)
    },
  }
  let issued = 1
  let receipts = 0
  const newTokens = (): TokenSet => {
    const count = ++issued
    return { accessToken: `access-${count}`, refreshToken: `refresh-${count}`, expiresAt: clock.now() + tokenLifeMs }
  }
  const house: Pick<SessionHouse, 'answer' | 'isStillKnown'> & { asked: string[], faults: SessionHouse['faults'] } = {
    asked: [],
    faults: [],
    answer: async () => ({ kind: 'renewed', tokens: newTokens() }),
    isStillKnown: async () => true,
  }
  const renew = createRenewal({
    sessions,
    clock,
    askForTokens: (session) => {
      house.asked.push(session.tokens.refreshToken ?? '')
      return house.answer(session)
    },
    isStillKnown: (session, tokens) => house.isStillKnown(session, tokens),
  })
  const ownRules = { ...limits, ...ownLimits }
  const authenticate = createAuthenticate({
    sessions,
    directory: {
      revisionOf: (...of) => directory.revisionOf(...of),
      viewAccess: (...of) => {
        counts.views++
        return directory.viewAccess(...of)
      },
    },
    clock,
    limits: ownRules,
    contract,
    renew,
    onBackgroundFault: (error, ref) => { house.faults.push({ error, ref }) },
  })
  const push = async (push: PushMessage): Promise<void> => {
    await directory.commit(push, { signatureDigest: `receipt ${receipts++}`, expiresAt: 0 })
  }
  for (const each of [tenantPush(1), applicationPush(1), accountsPush(1)]) await push(each)

  return Object.assign(house, {
    storage,
    clock,
    authenticate,
    renew,
    counts,
    push,
    async signIn (tokens: Partial<TokenSet> | 'no refresh token' = {}, cookieHeader?: string) {
      const base = { accessToken: 'access-1', expiresAt: clock.now() + tokenLifeMs }
      const whole = tokens === 'no refresh token' ? base : { refreshToken: 'refresh-1', ...base, ...tokens }
      const signedIn = { principal, knownLoss: '', clientId: 'client-1', tokens: whole } as const
      return cookieOf(await startSession({ sessions, clock, limits: ownRules }, signedIn, cookieHeader))
    },
    find: (cookieHeader: string) => storage.sessions.find(refOf(cookieHeader)),
    // LMDB writes in the order of the calls: when this is on disk, all before it is, and two turns let its callers go on.
    async settle () {
      for (let round = 0; round < 3; round++) await storage.check()
    },
  })
}
