import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { sha256 } from '../../src/base/digest.ts'
import type { InstanceId, Principal, Role } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import { createAuthenticator, type Authenticate, type Recheck } from '../../src/session/authenticate.ts'
import type { SessionLimits } from '../../src/session/life-rules.ts'
import { createRenewal, type Renewal, type RenewalDeps } from '../../src/session/renew-session.ts'
import type { RenewalAnswer } from '../../src/session/renewal-attempt.ts'
import type { Session, SessionRef, TokenSet } from '../../src/session/session.ts'
import { startSession, type StartLimits } from '../../src/session/start-session.ts'
import { createChangeFeed, type ChangeFeed } from '../../src/session/store-changes.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { accountsPush, appId, applicationPush, tenantId, tenantPush, userName } from './directory-pushes.ts'
import { contractRules } from './instance-pushes.ts'
import { ManualClock } from './manual-clock.ts'
import { ManualSchedule } from './manual-schedule.ts'

export const limits: SessionLimits = { idleTimeoutSeconds: 3_600, absoluteTimeoutSeconds: 43_200, renewalGraceSeconds: 600 }
export const tokenLifeMs = 7_200_000
/** How long a call to the authorization server may take. */
export const callTimeoutSeconds = 10

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
  readonly recheck: Recheck
  readonly renewal: Renewal
  readonly renew: Renewal['attempt']
  /** Another gateway on the same store, with a memory of its own: it may answer for half a second from what it has read. */
  openGateway (): Pick<SessionHouse, 'authenticate' | 'renewal'>
  /** The timers of all gateways. */
  readonly time: ManualSchedule
  /** Notifications, which the store itself doesn't send here. */
  readonly feed: ChangeFeed
  /** What the renewals wrote into the log. */
  readonly lines: Array<Record<string, unknown> & { readonly event: string }>
  /** A slow or a failing store, at will. */
  beforeReplace: (session: Session) => void | Promise<void>
  /** 0 to 1, for the spread of repeats; 0 unless the test says otherwise. */
  random: () => number
  /** What the authorization server was asked with, in order. */
  readonly asked: string[]
  /** What reached `onBackgroundFault`. */
  readonly faults: Array<{ error: unknown, ref: SessionRef }>
  /** Sessions that made room for others. */
  readonly displaced: SessionRef[]
  /** Writes of a session that went through or not, and reads of the directory's rows. */
  readonly counts: { replaces: number, views: number }
  /** Answers a renewal; replace it at will. */
  answer: (session: Session) => Promise<RenewalAnswer>
  isStillKnown: RenewalDeps['isStillKnown']
  push (push: PushMessage): Promise<void>
  /** Signs in; the cookie header of the new session. */
  signIn (tokens?: Partial<TokenSet> | 'no refresh token', cookieHeader?: string, role?: Role): Promise<string>
  find (cookieHeader: string): Promise<Session | undefined>
  /** Resolves when what runs beside requests has been written. */
  settle (): Promise<void>
}

export const cookieOf = (id: string): string => `__Host-jointgate=${id}`
export const refOf = (cookieHeader: string): SessionRef => sha256(cookieHeader.replace('__Host-jointgate=', '')) as SessionRef

export async function openSessionHouse (t: Test, ownLimits: Partial<StartLimits> = {}, contract = contractRules): Promise<SessionHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-session-'))
  const clock = new ManualClock()
  const storage = openLmdbStorage(folder, new SealedBox([Buffer.alloc(32, 1)]), clock)
  t.teardown(async () => {
    await storage.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const { directory } = storage
  const counts = { replaces: 0, views: 0 }
  let pending = 0
  const tracked = async <Result>(work: Promise<Result>): Promise<Result> => {
    pending++
    return await work.finally(() => { pending-- })
  }
  const sessions: Storage['sessions'] = {
    ...storage.sessions,
    find: (ref) => tracked(storage.sessions.find(ref)),
    end: (ref) => tracked(storage.sessions.end(ref)),
    replace: (session) => tracked((async () => {
      counts.replaces++
      await house.beforeReplace(session)
      return await storage.sessions.replace(session)
    })()),
  }
  let issued = 1
  let receipts = 0
  const newTokens = (): TokenSet => {
    const count = ++issued
    return { accessToken: `access-${count}`, refreshToken: `refresh-${count}`, expiresAt: clock.now() + tokenLifeMs }
  }
  const house: Pick<SessionHouse, 'answer' | 'isStillKnown' | 'random' | 'beforeReplace' | 'asked' | 'faults' | 'displaced' | 'lines'> = {
    asked: [],
    faults: [],
    displaced: [],
    lines: [],
    random: () => 0,
    beforeReplace: () => {},
    answer: async () => ({ kind: 'renewed', tokens: newTokens() }),
    isStillKnown: async () => true,
  }
  const ownRules = { ...limits, ...ownLimits }
  const time = new ManualSchedule(clock)
  const feed = createChangeFeed()
  const openGateway = (own: Pick<Storage['sessions'], 'find' | 'replace' | 'end'>) => {
    const renewal = createRenewal({
      sessions: own,
      changes: feed,
      clock,
      schedule: time.schedule,
      limits: ownRules,
      callTimeoutSeconds,
      random: () => house.random(),
      log: (level, line) => { house.lines.push({ level, ...line }) },
      askForTokens: (session) => {
        house.asked.push(session.tokens.refreshToken ?? '')
        return house.answer(session)
      },
      isStillKnown: (session, tokens) => house.isStillKnown(session, tokens),
    })
    const authenticator = createAuthenticator({
      sessions: own,
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
      renewal,
      onBackgroundFault: (error, ref) => { house.faults.push({ error, ref }) },
    })
    return { renewal, ...authenticator }
  }
  const gateway = openGateway(sessions)
  const push = async (push: PushMessage): Promise<void> => {
    await directory.commit(push, { signatureDigest: `receipt ${receipts++}`, expiresAt: 0 })
  }
  for (const each of [tenantPush(1), applicationPush(1), accountsPush(1)]) await push(each)

  return Object.assign(house, {
    storage,
    clock,
    ...gateway,
    renew: (session: Session) => gateway.renewal.attempt(session),
    openGateway: () => openGateway(withMemory(sessions, clock)),
    time,
    feed,
    counts,
    push,
    async signIn (tokens: Partial<TokenSet> | 'no refresh token' = {}, cookieHeader?: string, role: Role = 'user') {
      const base = { accessToken: 'access-1', expiresAt: clock.now() + tokenLifeMs }
      const whole = tokens === 'no refresh token' ? base : { refreshToken: 'refresh-1', ...base, ...tokens }
      const signedIn = { principal: { ...principal, role }, knownLoss: '', clientId: 'client-1', tokens: whole } as const
      return cookieOf(await startSession({
        sessions, clock, limits: { parallelLimit: 10, ...ownRules }, onDisplaced: (session) => { house.displaced.push(session.ref) },
      }, signedIn, cookieHeader))
    },
    find: (cookieHeader: string) => storage.sessions.find(refOf(cookieHeader)),
    // Three turns for those whom the last answer of the store lets go on.
    async settle () {
      for (let quiet = 0; quiet < 3; quiet = pending === 0 ? quiet + 1 : 0) await new Promise((resolve) => { setImmediate(resolve) })
    },
  })
}

/** How a store over a network answers: from memory for half a second after it has looked, until one's own write tells otherwise. */
function withMemory (sessions: Storage['sessions'], clock: ManualClock): Pick<Storage['sessions'], 'find' | 'replace' | 'end'> {
  const memory = new Map<SessionRef, { session: Session | undefined, until: number }>()
  const after = async <Result>(ref: SessionRef, result: Promise<Result>): Promise<Result> => {
    return await result.finally(() => { memory.delete(ref) })
  }
  return {
    async find (ref) {
      const known = memory.get(ref)
      if (known !== undefined && clock.now() < known.until) return known.session
      const session = await sessions.find(ref)
      memory.set(ref, { session, until: clock.now() + 500 })
      return session
    },
    replace: (session) => after(session.ref, sessions.replace(session)),
    end: (ref) => after(ref, sessions.end(ref)),
  }
}
