import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { ContractPolicy } from '../../src/directory/contract.ts'
import type { InstancePush } from '../../src/directory/push-message.ts'
import type { Answer, Browser } from '../support/browser.ts'
import { openTestGateway, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer, type FakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { createPush, dayMs, instancePush, readyPush, releasePush, renewPush, statusPush } from '../support/instance-pushes.ts'
import { callbackPath, fromAnotherSite, pressButton, readRefusal, roundsCookie, sessionCookie, whoIsIn } from '../support/sign-in-steps.ts'

const hour = 3_600_000
const renewUrl = 'https://shop.example.com/renew'

/** A seller's rules as the model reads them. */
type Rules = { readonly graceDays: number } & Readonly<Record<'grace' | 'expired' | 'frozen' | 'released', ContractPolicy>>

const byDefault: Rules = { graceDays: 1, grace: 'full', expired: 'renew', frozen: 'renew', released: 'refuse' }
const lenient: Rules = { graceDays: 2, grace: 'full', expired: 'read-only', frozen: 'read-only', released: 'renew' }
const strict: Rules = { graceDays: 0, grace: 'refuse', expired: 'refuse', frozen: 'refuse', released: 'renew' }
const mixed: Rules = { graceDays: 1, grace: 'renew', expired: 'refuse', frozen: 'full', released: 'read-only' }

interface House { readonly gateway: TestGateway, readonly server: FakeAuthorizationServer, readonly rules: Rules }

async function open (t: Test, rules: Rules, env: Record<string, string> = {}): Promise<House> {
  const gateway = await openTestGateway(t, {
    env: {
      JOINTGATE_CONTRACT_GRACE_DAYS: String(rules.graceDays),
      JOINTGATE_CONTRACT_GRACE: rules.grace,
      JOINTGATE_CONTRACT_EXPIRED: rules.expired,
      JOINTGATE_CONTRACT_FROZEN: rules.frozen,
      JOINTGATE_CONTRACT_RELEASED: rules.released,
      JOINTGATE_CONTRACT_RENEW_URL: renewUrl,
      JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '86400',
      JOINTGATE_SESSION_ABSOLUTE_TIMEOUT_SECONDS: '604800',
      ...env,
    },
  })
  const server = await openFakeAuthorizationServer(t)
  server.tokenMembers = { ...server.tokenMembers, expires_in: 9_000_000 }
  return { gateway, server, rules }
}

/** What the answer must say: in with this access, out with this reason, or asked to choose another purchase. */
type Refusal = { readonly reason: string, readonly isRenewable: boolean }
type Verdict = { readonly access: 'full' | 'read-only' } | Refusal | 'choose'
type Which = 0 | 1

/** A person's session in one browser: in which purchase, and which of them were taken away since, though nobody asked yet. */
interface ModelSession { readonly which: Which, readonly since: number, seenAt: number, readonly spoilt: [boolean, boolean] }

/** A purchase as the model knows it: facts in the order in which they were told. */
interface Purchase {
  isBound: boolean
  wasBound: boolean
  isBought: boolean
  isReady: boolean
  isFrozen: boolean
  isReleased: boolean
  paidUntil: number | undefined
  endedAt: number | undefined
  boundAt: number
  lostAt: number
}

type Deed =
  | { readonly kind: 'create', readonly isPending: boolean, readonly hours: number | undefined }
  | { readonly kind: 'renew', readonly hours: number }
  | { readonly kind: 'ready' | 'freeze' | 'unfreeze' | 'expire' | 'release' | 'refuse' }
  | { readonly kind: 'bind' }
  | { readonly kind: 'unbind' }
type Step =
  | { readonly kind: 'deed', readonly which: 0 | 1, readonly deed: Deed }
  | { readonly kind: 'pass', readonly hours: number }
  /** `who` is one of the person's browsers. */
  | { readonly kind: 'visit', readonly route: Route, readonly who: number }

const routes = ['page', 'script', 'form', 'who-am-i', 'sign-in', 'sign-out-page', 'sign-out'] as const
type Route = (typeof routes)[number]

/** The state machine of item 8, written again from the rules, sharing no line with the product. */
class Model {
  readonly #rules: Rules
  readonly purchases: [Purchase, Purchase]
  readonly sessions = new Map<number, ModelSession>()

  constructor (rules: Rules) {
    this.#rules = rules
    const fresh = (): Purchase => ({
      isBound: false,
      wasBound: false,
      isBought: false,
      isReady: false,
      isFrozen: false,
      isReleased: false,
      paidUntil: undefined,
      endedAt: undefined,
      boundAt: 0,
      lostAt: 0,
    })
    this.purchases = [fresh(), fresh()]
  }

  do (which: 0 | 1, deed: Deed, now: number): void {
    const one = this.purchases[which]
    if (deed.kind === 'bind') {
      one.isBound = true
      one.wasBound = true
      one.boundAt = now
    } else if (deed.kind === 'unbind') {
      one.isBound = false
      this.#spoil(which, now)
    } else if (deed.kind === 'create') {
      if (one.isBought) return
      one.isBought = true
      one.isReady = !deed.isPending
      one.paidUntil = deed.hours === undefined ? undefined : now + deed.hours * hour
    } else if (one.isBought) {
      this.#happen(which, deed, now)
    }
  }

  #happen (which: Which, deed: Exclude<Deed, { kind: 'bind' | 'unbind' | 'create' }>, now: number): void {
    const one = this.purchases[which]
    if (deed.kind === 'ready') one.isReady = true
    if (deed.kind === 'release') {
      one.isReleased = true
      if (one.wasBound && this.#isClosing('released')) this.#spoil(which, now)
    }
    if (one.isReleased) return
    if (deed.kind === 'renew') {
      one.paidUntil = now + deed.hours * hour
      one.endedAt = undefined
    }
    if (deed.kind === 'freeze') {
      one.isFrozen = true
      if (one.wasBound && this.#isClosing('frozen')) this.#spoil(which, now)
    }
    if (deed.kind === 'unfreeze') {
      one.isFrozen = false
      one.endedAt = undefined
    }
    if (deed.kind === 'expire') one.endedAt = now
  }

  #isClosing (state: 'frozen' | 'released'): boolean {
    return this.#rules[state] === 'renew' || this.#rules[state] === 'refuse'
  }

  #spoil (which: Which, now: number): void {
    this.purchases[which].lostAt = now
    for (const { spoilt } of this.sessions.values()) spoilt[which] = true
  }

  stateOf (one: Purchase, now: number): 'active' | 'not-ready' | 'grace' | 'expired' | 'frozen' | 'released' {
    if (!one.isBought) return 'active'
    if (one.isReleased) return 'released'
    if (one.isFrozen) return 'frozen'
    if (!one.isReady) return 'not-ready'
    const end = Math.min(one.paidUntil ?? Infinity, one.endedAt ?? Infinity)
    if (now < end) return 'active'
    return now < end + this.#rules.graceDays * dayMs ? 'grace' : 'expired'
  }

  #accessOf (one: Purchase, now: number): 'full' | 'read-only' | undefined {
    const state = this.stateOf(one, now)
    const policy = state === 'active' ? 'full' : state === 'not-ready' ? 'refuse' : this.#rules[state]
    return one.isBound && (policy === 'full' || policy === 'read-only') ? policy : undefined
  }

  /** The purchases that a new sign-in may enter by. */
  open (now: number): Which[] {
    return ([0, 1] as const).filter((which) => this.#accessOf(this.purchases[which], now) !== undefined)
  }

  /** What is said where none is open. */
  refusal (now: number): Refusal {
    const states = this.purchases.filter((one) => one.isBound).map((one) => this.stateOf(one, now))
    if (states.length === 0) return { reason: 'tenant-closed', isRenewable: false }
    const nearest = [['not-ready'], ['grace', 'expired'], ['frozen'], ['released']].find((group) => states.some((state) => group.includes(state))) ?? []
    const reason = `instance-${nearest.at(-1) ?? ''}`
    const isRenewable = states.some((state) => nearest.includes(state) && state !== 'active' && state !== 'not-ready' && this.#rules[state] === 'renew')
    return { reason, isRenewable }
  }

  /** What this browser gets now; `undefined`: it is sent to sign in. */
  verdictFor (who: number, now: number): Verdict | undefined {
    const session = this.sessions.get(who)
    if (session === undefined || now - session.seenAt >= dayMs || now - session.since >= 7 * dayMs) return undefined
    const { which, spoilt } = session
    const other = which === 0 ? 1 : 0
    const withdrawn = { reason: 'authorisation-withdrawn', isRenewable: false }
    const access = this.#accessOf(this.purchases[which], now)
    if (access !== undefined) return spoilt[which] ? withdrawn : { access }
    if (this.#accessOf(this.purchases[other], now) === undefined) return this.refusal(now)
    // The other one must have been there without a gap.
    const isLasting = !spoilt[other] && (!spoilt[which] || this.purchases[other].boundAt < this.purchases[which].lostAt)
    return isLasting ? 'choose' : withdrawn
  }
}

/** One enterprise of its own, with one person in a few browsers, in step with its model. */
class Walk {
  readonly model: Model
  readonly browsers: readonly Browser[]
  readonly #house: House
  readonly #tenantId: string
  /** Which states met which routes. */
  readonly met = new Set<string>()

  constructor (house: House, name: string) {
    this.#house = house
    this.#tenantId = `tenant-${name}`
    this.model = new Model(house.rules)
    this.browsers = routes.map(() => house.gateway.browser())
  }

  get #now (): number {
    return this.#house.gateway.clock.now()
  }

  async take (step: Step): Promise<void> {
    // Messages and visits never share a moment.
    this.#house.gateway.clock.advance(1_000)
    if (step.kind === 'pass') await this.#pass(step.hours)
    if (step.kind === 'deed') {
      await this.#do(step.which, step.deed)
      this.model.do(step.which, step.deed, this.#now)
    }
    if (step.kind === 'visit') await this.#visit(step.who, step.route)
  }

  async #pass (hours: number): Promise<void> {
    // That somebody was seen is written beside the request; before a day passes it has long been.
    for (let round = 0; round < 3; round++) await this.#house.gateway.storage.check()
    this.#house.gateway.clock.advance(hours * hour)
  }

  async #do (which: 0 | 1, deed: Deed): Promise<void> {
    const { gateway, server } = this.#house
    const id = `${this.#tenantId}-${which}`
    if (deed.kind === 'bind') {
      await gateway.bind({ tenantId: this.#tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] }, id)
    } else if (deed.kind === 'unbind') {
      const { resultCode } = await gateway.push('tenantSync', { tenantId: this.#tenantId, instanceId: id, flag: 0 })
      must(resultCode === '000000', 'the tenant is unbound')
    } else {
      await gateway.storage.directory.commit(messageOf(id, deed, this.#now))
    }
  }

  async #visit (who: number, route: Route): Promise<void> {
    const { model } = this
    const browser = this.browsers[who]!
    const { upstream } = this.#house.gateway
    const now = this.#now
    const before = upstream.requests.length
    for (const one of model.purchases.filter(({ isBound }) => isBound)) this.met.add(`${model.stateOf(one, now)} ${route}`)
    if (route === 'sign-in') return await this.#signIn(who)
    const verdict = model.verdictFor(who, now)
    if (route === 'sign-out') {
      must((await browser.submit('/_gate/sign-out')).status === 303, 'a sign-out works in every state')
      model.sessions.delete(who)
      must(await whoIsIn(browser) === undefined, 'and ends the session')
      return
    }
    const answer = await ask(browser, route)
    if (verdict === undefined) checkStranger(route, answer)
    else if (verdict === 'choose') checkQuestion(route, answer)
    else if ('reason' in verdict) checkRefusal(route, answer, verdict)
    else checkWelcome(route, answer, verdict.access)
    const isForwarded = verdict !== undefined && verdict !== 'choose' && 'access' in verdict && (route === 'page' || route === 'script' || route === 'form')
    must(upstream.requests.length === before + (isForwarded ? 1 : 0), 'the upstream sees exactly those who are in')
    if (isForwarded) must(upstream.requests.at(-1)?.headers['x-identity-access'] === verdict.access, 'and reads how far')
    const session = model.sessions.get(who)
    // Whoever is asked keeps the session, and is not seen.
    if (verdict === 'choose') return
    if (verdict === undefined || 'reason' in verdict) model.sessions.delete(who)
    else if (session !== undefined) session.seenAt = now
  }

  async #signIn (who: number): Promise<void> {
    const browser = this.browsers[who]!
    const open = this.model.open(this.#now)
    // Its rounds are another test's matter.
    browser.cookies.delete(roundsCookie)
    const held = browser.cookies.get(sessionCookie)
    await pressButton(browser, '/reports')
    const code = this.#house.server.issueCode({ userName: 'lihua', tenant: this.#tenantId })
    const answer = await browser.open(callbackPath({ code, tenant: this.#tenantId }), { headers: fromAnotherSite })
    if (open.length === 0) {
      checkRefusal('page', answer, this.model.refusal(this.#now))
      must(browser.cookies.get(sessionCookie) === held, 'nobody is let in, and no session is touched')
      return
    }
    const which = open[who % open.length] ?? 0
    const last = open.length === 1 ? answer : await this.#choose(browser, answer, which)
    must(last.status === 303 && last.location === '/reports', `signed in: ${last.status} ${last.location} ${last.body}`)
    this.model.sessions.set(who, { which, since: this.#now, seenAt: this.#now, spoilt: [false, false] })
  }

  async #choose (browser: Browser, answer: Answer, which: Which): Promise<Answer> {
    must(answer.status === 303 && answer.location.startsWith('/_gate/choose'), `of two one is chosen: ${answer.status} ${answer.location}`)
    const { body } = await browser.open(answer.location)
    const field = (name: string): string => new RegExp(`name="${name}" value="([^"]*)"`).exec(body)?.[1] ?? ''
    const form = { question: field('question'), return_to: field('return_to'), instance: `${this.#tenantId}-${which}` }
    return await browser.submit('/_gate/choose', form)
  }
}

function ask (browser: Browser, route: Exclude<Route, 'sign-in' | 'sign-out'>): Promise<Answer> {
  switch (route) {
    case 'page': return browser.open('/reports?a=1')
    case 'script': return browser.fetch('/api/reports')
    case 'form': return browser.submit('/reports', { text: 'long typed' })
    case 'who-am-i': return browser.fetch('/_gate/session')
    case 'sign-out-page': return browser.open('/_gate/sign-out')
  }
}

function messageOf (id: string, deed: Exclude<Deed, { kind: 'bind' | 'unbind' }>, now: number): InstancePush {
  switch (deed.kind) {
    case 'create': return createPush(id, now, {
      provisioning: deed.isPending ? 'pending' : 'ready', ...(deed.hours === undefined ? {} : { expiresAt: now + deed.hours * hour }),
    })
    case 'ready': return readyPush(id, now)
    case 'refuse': return instancePush(id, now, { kind: 'provision', report: { kind: 'refused', reason: 'no quota' } })
    case 'renew': return renewPush(id, now, now + deed.hours * hour)
    case 'freeze': return statusPush(id, now, 'frozen')
    case 'unfreeze': return statusPush(id, now, 'normal')
    case 'expire': return statusPush(id, now, 'expired')
    case 'release': return releasePush(id, now)
  }
}

function must (isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`not so: ${what}`)
}

function checkStranger (route: Route, answer: Answer): void {
  if (route === 'page') must(answer.status === 303 && answer.location.startsWith('/_gate/sign-in?return_to='), 'a page view goes to sign-in')
  else if (route === 'sign-out-page') must(answer.location.endsWith('/_gate/signed-out'), 'there is nobody to sign out')
  else must(answer.status === 401 && readRefusal(answer).reason === 'session-missing', `${route} is told that nobody is in: ${answer.status} ${answer.body}`)
}

function checkWelcome (route: Route, answer: Answer, access: string): void {
  must(answer.status === 200, `${route} is let in, but: ${answer.status} ${answer.location} ${answer.body}`)
  if (route === 'who-am-i') must((JSON.parse(answer.body) as { access?: string }).access === access, `access is ${access}: ${answer.body}`)
}

function checkQuestion (route: Route, answer: Answer): void {
  if (route === 'page') must(answer.status === 303 && answer.location.startsWith('/_gate/choose?return_to='), 'a page view goes to the choice')
  else if (route === 'sign-out-page') must(answer.status === 200, 'whoever is asked may sign out')
  else must(answer.status === 403 && readRefusal(answer).reason === 'choice-needed', `${route} is told to choose: ${answer.status} ${answer.body}`)
}

function checkRefusal (route: Route, answer: Answer, { reason, isRenewable }: { reason: string, isRenewable: boolean }): void {
  if (route === 'sign-out-page') return checkStranger(route, answer)
  const isPage = route === 'page' || route === 'form'
  must(answer.status === (reason === 'instance-not-ready' ? 503 : 403), `status of ${reason}: ${answer.status} ${answer.location}`)
  must(readRefusal(answer).reason === reason, `${reason}, but: ${answer.body}`)
  must((answer.headers['retry-after'] !== undefined) === (answer.status === 503), 'Retry-After goes with 503')
  must(String(answer.headers['content-type']).startsWith(isPage ? 'text/html' : 'application/problem+json'), 'in the form that was asked for')
  const told = isPage ? answer.body.includes(`href="${renewUrl}"`) : (JSON.parse(answer.body) as { renewUrl?: string }).renewUrl === renewUrl
  must(told === isRenewable, `${reason}: the way to renew is ${isRenewable ? '' : 'not '}shown`)
}

const deed = (which: 0 | 1, one: Deed): Step => ({ kind: 'deed', which, deed: one })
const pass = (hours: number): Step => ({ kind: 'pass', hours })
const visit = (route: Route, who = 0): Step => ({ kind: 'visit', route, who })

const create = (hours?: number, isPending = false): Deed => ({ kind: 'create', isPending, hours })
/** Ways into each state, for somebody who is signed in. */
const waysInto: Readonly<Record<string, readonly Step[]>> = {
  'active, before any newInstance': [],
  active: [deed(0, create(9))],
  'active, renewed': [deed(0, create(1)), deed(0, { kind: 'renew', hours: 9 }), pass(3)],
  'active, unfrozen': [deed(0, create()), deed(0, { kind: 'freeze' }), deed(0, { kind: 'unfreeze' })],
  'active, ready at last': [deed(0, create(undefined, true)), deed(0, { kind: 'refuse' }), deed(0, { kind: 'ready' })],
  'not-ready': [deed(0, create(undefined, true))],
  refused: [deed(0, create(undefined, true)), deed(0, { kind: 'refuse' })],
  grace: [deed(0, create(1)), pass(1)],
  'grace, by V1': [deed(0, create()), deed(0, { kind: 'expire' })],
  expired: [deed(0, create(-60))],
  frozen: [deed(0, create(9)), deed(0, { kind: 'freeze' })],
  'frozen, paid time over': [deed(0, create(9)), deed(0, { kind: 'freeze' }), deed(0, { kind: 'expire' })],
  released: [deed(0, create(9)), deed(0, { kind: 'release' })],
  'released, bound anew': [deed(0, create(9)), deed(0, { kind: 'release' }), deed(1, { kind: 'bind' }), deed(1, create(9))],
  'unbound, bound anew': [deed(0, create(9)), deed(0, { kind: 'unbind' }), deed(1, { kind: 'bind' })],
  unbound: [deed(0, { kind: 'unbind' })],
}

for (const [name, rules] of Object.entries({ byDefault, lenient })) {
  t.test(`every state meets every route, with a session from before and without (${name})`, { timeout: 60_000 }, async (t) => {
    const house = await open(t, rules)
    const met = new Set<string>()
    for (const [way, steps] of Object.entries(waysInto)) {
      const walk = new Walk(house, way.replace(/\W/g, ''))
      await walk.take(deed(0, { kind: 'bind' }))
      await Promise.all(routes.map((_route, who) => walk.take(visit('sign-in', who))))
      // Each route twice: what was refused once has no session the second time.
      const visits = routes.flatMap((route, who) => [visit(route, who), visit(route, who)])
      for (const step of [...steps, ...visits]) {
        try {
          await walk.take(step)
        } catch (error) {
          t.fail(`${way}: ${JSON.stringify(step)}`, { error: String(error) })
          break
        }
      }
      for (const pair of walk.met) met.add(pair)
    }
    const states = ['active', 'not-ready', 'expired', 'frozen', 'released', ...(rules.graceDays > 0 ? ['grace'] : [])]
    t.strictSame(states.flatMap((state) => routes.map((route) => `${state} ${route}`)).filter((pair) => !met.has(pair)), [])
  })
}

for (const [name, rules] of Object.entries({ byDefault, lenient, strict, mixed })) {
  t.test(`events in any order, between visits by any route (${name})`, { timeout: 60_000 }, async (t) => {
    const house = await open(t, rules)
    let count = 0
    const hours = fc.constantFrom(1, 6, 30)
    const anyDeed: fc.Arbitrary<Deed> = fc.oneof(
      fc.record({ kind: fc.constant('create'), isPending: fc.boolean(), hours: fc.option(hours, { nil: undefined }) }),
      fc.record({ kind: fc.constant('renew'), hours }),
      fc.constantFrom('ready', 'freeze', 'unfreeze', 'expire', 'release', 'refuse', 'bind', 'unbind').map((kind) => ({ kind })),
    )
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constantFrom(0 as const, 1 as const), anyDeed).map(([which, one]) => deed(which, one)) },
      { weight: 2, arbitrary: fc.constantFrom(1, 5, 23).map(pass) },
      { weight: 5, arbitrary: fc.constantFrom(...routes, 'sign-in' as const, 'page' as const).map((route) => visit(route)) },
    )
    await t.resolves(fc.assert(fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 30 }), async (steps) => {
      const walk = new Walk(house, `walk-${++count}`)
      for (const one of [deed(0, { kind: 'bind' }), visit('sign-in'), ...steps]) await walk.take(one)
    }), { numRuns: 15 }))
  })
}

t.test('a session lives through grace into expired under "read-only": the header changes at the next request, without a push', async (t) => {
  const house = await open(t, { ...byDefault, expired: 'read-only' })
  const walk = new Walk(house, 'grace')
  const { upstream } = house.gateway
  for (const step of [deed(0, { kind: 'bind' }), deed(0, create(2))]) await walk.take(step)
  const graceEnd = house.gateway.clock.now() + 26 * hour
  for (const step of [visit('sign-in'), visit('page'), pass(2), visit('page'), pass(22), visit('page')]) await walk.take(step)
  t.strictSame(upstream.requests.map(({ headers }) => headers['x-identity-access']), ['full', 'full', 'full'])
  const cookie = walk.browsers[0]?.cookies.get(sessionCookie)
  // Two visits so close to the end that the second one's decision is still remembered: only its time says that it is over.
  house.gateway.clock.set(graceEnd - 30_000)
  for (const route of ['page', 'page'] as const) {
    await walk.take(visit(route))
    await walk.take(pass(0))
  }
  t.equal(upstream.requests.at(-1)?.headers['x-identity-access'], 'full')
  house.gateway.clock.set(graceEnd)
  await walk.take(visit('form'))
  const { headers } = upstream.requests.at(-1) ?? t.fail('nothing was forwarded') as never
  t.equal(headers['x-identity-access'], 'read-only')
  const [, claims = ''] = String(headers['x-identity-assertion']).split('.')
  t.match(JSON.parse(Buffer.from(claims, 'base64url').toString()), { access: 'read-only' }, 'the assertion says the same')
  t.equal(walk.browsers[0]?.cookies.get(sessionCookie), cookie, 'in the same session')
})

for (const direct of ['true', 'false']) {
  t.test(`whoever signs in during a freeze reads a page each time and goes round no circle (direct: ${direct})`, async (t) => {
    const { gateway, server } = await open(t, byDefault, { JOINTGATE_SIGN_IN_DIRECT: direct })
    await gateway.bind({ tenantId: 'frozen', domainName: server.url, accounts: [{ userName: 'lihua' }] }, 'frozen-1')
    for (const push of [createPush('frozen-1', gateway.clock.now()), statusPush('frozen-1', gateway.clock.now() + 1, 'frozen')]) await gateway.storage.directory.commit(push)
    const browser = gateway.browser()
    for (let round = 1; round <= 5; round++) {
      const sent = await browser.open('/')
      t.equal(sent.status, 303)
      const begun = direct === 'true' ? await browser.open(sent.location) : await pressButton(browser)
      t.match(begun.location, 'unified-login', `round ${round}`)
      const code = server.issueCode({ userName: 'lihua', tenant: 'frozen' })
      const answer = await browser.open(callbackPath({ code, tenant: 'frozen' }), { headers: fromAnotherSite })
      t.equal(answer.status, 403)
      t.equal(readRefusal(answer).reason, 'instance-frozen', 'no loop is suspected')
      t.equal(answer.location, '')
    }
    t.notOk(browser.cookies.has(sessionCookie))
  })
}

t.test('the question "continue as …?" answered during a freeze lets nobody in', async (t) => {
  const { gateway, server } = await open(t, byDefault)
  await gateway.bind({ tenantId: 'asked', domainName: server.url, accounts: [{ userName: 'lihua' }] }, 'asked-1')
  await gateway.storage.directory.commit(createPush('asked-1', gateway.clock.now()))
  const browser = gateway.browser()
  const code = server.issueCode({ userName: 'lihua', tenant: 'asked' })
  t.match((await browser.open(callbackPath({ code, tenant: 'asked' }), { headers: fromAnotherSite })).location, '/_gate/confirm')
  const antiForgery = /name="anti_forgery" value="([^"]+)"/.exec((await browser.open('/_gate/confirm')).body)?.[1] ?? ''
  await gateway.storage.directory.commit(statusPush('asked-1', gateway.clock.now() + 1, 'frozen'))
  const answer = await browser.submit('/_gate/confirm', { anti_forgery: antiForgery })
  checkRefusal('page', answer, { reason: 'instance-frozen', isRenewable: true })
  t.equal(await whoIsIn(browser), undefined)
})
