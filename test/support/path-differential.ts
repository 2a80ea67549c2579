import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import fc from 'fast-check'
import { connect } from 'node:net'
import { judgeTarget, pathOf } from '../../src/forward/canonical-path.ts'
import { createRouteTable, type RouteRule } from '../../src/forward/route-table.ts'
import { appsThatReadOutside, appsThatReadUnder } from './app-readings.ts'
import { requestText, sessionCookie, startGateway, startUpstream } from './forward-gateway.ts'
import { hostileTarget } from './hostile-paths.ts'

/** A rule that says only what is given. */
export function rule (said: Partial<RouteRule> & Pick<RouteRule, 'path'>): RouteRule {
  const unsaid = { host: undefined, access: undefined, roles: undefined, preflight: undefined, accessToken: undefined }
  return { ...unsaid, upstream: undefined, timeoutSeconds: undefined, ...said }
}

const rules = [rule({ path: '/admin', roles: ['admin'] }), rule({ path: '/public', access: 'public' }), rule({ path: '/public/admin', access: 'nobody' })]
/** Which part of the application a router has found, in an answer's header. */
const areaHeader = 'x-area'

interface Test { teardown (run: () => unknown): void }

interface Exchange { readonly target: string, readonly isSignedIn: boolean, readonly status: number, readonly area: string }

export interface Outcome {
  readonly counts: Record<string, number>
  readonly problems: string[]
}

/**
 * Hostile paths over real sockets, pipelined, half of them signed in (as a user, not an admin), to a gateway with rules before an
 * application that writes down what it gets and routes it as loosely as Fastify can (T-05).
 */
export async function runPathDifferential (t: Test, howMany: number, seed: number): Promise<Outcome> {
  const routerOptions = { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true }
  const router = Fastify({ routerOptions })
  for (const area of ['admin', 'public']) router.get(`/${area}`, areaAnswer(area)).get(`/${area}/*`, areaAnswer(area))
  router.get('/*', areaAnswer('other'))
  await router.ready()
  const upstream = await startUpstream(t, (request, response) => { router.routing(request, response) })
  const gateway = await startGateway(t, { upstream: upstream.url, routes: rules })
  const targets = fc.sample(hostileTarget, { numRuns: howMany, seed })
  const exchanges: Exchange[] = []
  for (let at = 0; at < targets.length; at += 4_000) {
    const lanes = [0, 1, 2, 3].map((lane) => targets.slice(at + lane * 1_000, at + (lane + 1) * 1_000))
    exchanges.push(...(await Promise.all(lanes.map((lane) => pipeline(gateway.port, lane)))).flat())
  }
  return judge(exchanges, upstream.seen.map(({ target, rawHeaders }) => ({ target, index: Number(rawHeaders[rawHeaders.indexOf('x-index') + 1]) })))
}

function areaAnswer (area: string) {
  return (_request: FastifyRequest, reply: FastifyReply): FastifyReply => reply.header(areaHeader, area).send('')
}

let sent = 0
const indexOf = new Map<Exchange, number>()

/** One connection after another, each used until the server closes it; what was sent behind that is sent again. */
async function pipeline (port: number, targets: readonly string[]): Promise<Exchange[]> {
  const exchanges: Exchange[] = []
  while (exchanges.length < targets.length) {
    const batch = nextBatch(targets.slice(exchanges.length, exchanges.length + 64))
      .map((target) => ({ target, index: sent++, isSignedIn: sent % 2 === 0 }))
    const answers = await ask(port, batch.map(({ target, index, isSignedIn }) =>
      requestText(target, { keepAlive: true, headers: [`x-index: ${index}`], cookie: isSignedIn ? sessionCookie : '' })).join(''), batch.length)
    if (answers.length === 0) throw new Error(`no answer to ${JSON.stringify(batch[0])}`)
    answers.forEach((answer, at) => {
      const { target, index, isSignedIn } = batch[at] ?? { target: '', index: -1, isSignedIn: false }
      const exchange = { target, isSignedIn, ...answer }
      indexOf.set(exchange, index)
      exchanges.push(exchange)
    })
  }
  return exchanges
}

/** What node's own parser refuses is answered before the answers to what stands before it, so it is sent alone. */
function nextBatch (targets: readonly string[]): readonly string[] {
  const refused = targets.findIndex((target) => /[^\x21-\x7e]/.test(target))
  return refused === -1 ? targets : targets.slice(0, Math.max(refused, 1))
}

/** The answers that came before the connection ended, at most as many as were asked for. */
function ask (port: number, bytes: string, howMany: number): Promise<{ status: number, area: string }[]> {
  return new Promise((resolve) => {
    const answers: { status: number, area: string }[] = []
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {}).on('close', () => resolve(answers))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
        if (text.length < end + 4 + length) return
        text = text.slice(end + 4 + length)
        answers.push({ status: Number(head.slice(9, 12)), area: new RegExp(`^${areaHeader}: (\\w+)`, 'im').exec(head)?.[1] ?? '' })
      }
      if (answers.length === howMany) socket.end()
    })
    socket.write(bytes, 'latin1')
  })
}

function judge (exchanges: readonly Exchange[], seen: readonly { target: string, index: number }[]): Outcome {
  const findRoute = createRouteTable(rules, { upstream: [], timeoutSeconds: 1 })
  const seenByIndex = new Map(seen.map(({ index, target }) => [index, target]))
  const problems: string[] = []
  const counts: Record<string, number> = {}
  const answered = new Set<number>()
  for (const exchange of exchanges) {
    const { target, isSignedIn, status, area } = exchange
    const index = indexOf.get(exchange) ?? -1
    answered.add(index)
    const arrived = seenByIndex.get(index)
    const judgement = judgeTarget(target, '/_gate')
    const route = judgement === 'upstream' ? findRoute('app.example.com', pathOf(target)) : undefined
    const passes = route !== undefined && (route.access === 'public' || (route.access === 'signed-in' && isSignedIn && route.roles === undefined))
    const complain = (what: string): void => { problems.push(`${what}: ${JSON.stringify({ target, isSignedIn, status, area, arrived })}`) }
    const path = arrived === undefined ? '' : pathOf(arrived)
    if (arrived === undefined ? passes && status !== 400 : !passes) complain('not as the rules say')
    if (arrived !== undefined && arrived !== target) complain('the upstream saw another target')
    if (judgement === 'ambiguous' && status !== 400) complain('ambiguous and not refused')
    if (area === 'admin' || appsThatReadUnder('/admin', path).length > 0) complain('closed area reached')
    if (arrived !== undefined && appsThatReadUnder('/public/admin', path).length > 0) complain('nobody\'s area reached')
    if (arrived !== undefined && !isSignedIn && (area !== 'public' || appsThatReadOutside('/public', path).length > 0)) complain('more than the public area is open')
    const outcome = arrived === undefined ? String(status) : `forwarded ${isSignedIn ? 'for a user' : 'for anybody'}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  // A request behind a refused one dies with the connection, and nobody must have acted on it unseen.
  for (const { index, target } of seen) if (!answered.has(index) && findRoute('app.example.com', pathOf(target)).access === 'nobody') problems.push(`acted on: ${target}`)
  if (seenByIndex.size !== seen.length) problems.push('one request became two')
  return { counts, problems }
}
