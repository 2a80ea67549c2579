import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { foldHeaderName, identityHeaders } from '../../src/base/header-names.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import {
  requestText, sessionCookie, startGateway, startUpstream, statusOfAnswer, talk, valuesOf, type RecordingUpstream,
} from '../support/forward-gateway.ts'
import { droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'
import { ask, authority, openHttp2, tls } from '../support/http2-client.ts'
import { rule } from '../support/path-differential.ts'
import { goodHandshake } from '../support/web-socket.ts'

type Fields = readonly (readonly [name: string, value: string])[]

interface Scenario {
  readonly path: string
  readonly cookie: string
  readonly headers?: Fields
  /** Whatever the method. */
  readonly refused?: number
  readonly status?: (method: string) => number
  readonly isKnown?: boolean
}

/** Sends a request and resolves to the whole answer, its status first. */
type Send = (method: string, scenario: Scenario, spoofed: readonly string[]) => Promise<readonly [status: number, answer: string]>

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'QUERY', 'TRACE']
const ours = `${sessionCookie}; ${cookieNames.language}=en; a=1`
const fromElsewhere: Fields = [['origin', 'https://other.example.com'], ['access-control-request-method', 'PUT']]

const scenarios: Readonly<Record<string, Scenario>> = {
  'signed in': { path: '/a', cookie: ours, isKnown: true },
  'not signed in': { path: '/a', cookie: 'a=1', status: () => 401 },
  'public path': { path: '/public/a', cookie: 'a=1' },
  'public path, signed in': { path: '/public/a', cookie: ours },
  'not found under the own prefix': { path: '/_gate/none', cookie: ours, refused: 404 },
  'ambiguous path': { path: '/public/..;/a', cookie: ours, refused: 400 },
  preflight: { path: '/cross/a', cookie: '', headers: fromElsewhere, status: (method) => method === 'OPTIONS' ? 200 : 401 },
}

const names = [...emittedNames, ...droppedNames]
/** So that each request has fewer fields than the gateway takes. */
const spoofs = [0, 1, 2, 3].map((part) => names.filter((_name, index) => index % 4 === part).flatMap(spellingsOf))
const toldOfAnybody = emittedNames.filter((name) => !name.startsWith('x-identity-'))
/** What an upstream could take for the gateway's word. */
const isWord = (fold: string): boolean => names.includes(fold) || /^x-(?:identity|forwarded)-/.test(fold)

/** @param options in `Connection`, before the names that the client would like to be taken away */
function overHttp1 (port: number, dial?: Parameters<typeof talk>[4], options = 'close'): Send {
  return async (method, { path, cookie, headers = [] }, spoofed) => {
    const fields = [...spoofed.map((name) => [name, 'evil']), ...headers, ['connection', [options, ...spoofed].join(', ')]]
    const answer = await talk(port, requestText(path, { method, cookie, headers: fields.map((field) => field.join(': ')) }), 0, undefined, dial)
    return [statusOfAnswer(answer), answer]
  }
}

/** As clients do, from the gateway's own pages if no other origin is said. */
function overWebSocket (port: number): Send {
  const handshake = [['upgrade', 'websocket'], ...goodHandshake.map((line) => line.split(': '))] as unknown as Fields
  const send = overHttp1(port, undefined, 'close, upgrade')
  return (method, scenario, spoofed) => {
    const headers = [...handshake, ...scenario.headers ?? [['origin', 'https://app.example.com'] as const]]
    return send(method, { ...scenario, headers }, spoofed)
  }
}

function overHttp2 (t: Test, port: number): Send {
  const session = openHttp2(t, port)
  return async (method, { path, cookie, headers = [] }, spoofed) => {
    const evil = spoofed.map((name) => [name.toLowerCase(), 'evil'] as const)
    const answer = await ask(session, { ...Object.fromEntries([...evil, ...headers]), ':method': method, ':path': path, cookie: cookie === '' ? [] : cookie })
    return [answer.status, JSON.stringify(answer)]
  }
}

/** Nothing arrives without 200. */
function statusOf (method: string, { refused, headers, status }: Scenario, isWebSocket: boolean): number {
  if (refused !== undefined) return refused
  if (method === 'TRACE') return 405
  if (isWebSocket && method !== 'GET') return 501
  if (isWebSocket && headers !== undefined) return 403
  return status?.(method) ?? 200
}

/** What is wrong with what the upstream saw. */
function faultsOf ({ seen }: RecordingUpstream, mayArrive: boolean, { path, cookie, isKnown = false }: Scenario): string[] {
  const [one, ...others] = seen.splice(0)
  if (!mayArrive || one === undefined || others.length > 0) return mayArrive === (one !== undefined) && others.length === 0 ? [] : ['arrivals']
  const { rawHeaders, target, body } = one
  const words = rawHeaders.filter((_text, index) => index % 2 === 0).map(foldHeaderName).filter(isWord)
  const expected = isKnown ? emittedNames : toldOfAnybody
  const told = [identityHeaders.tenant, identityHeaders.user, identityHeaders.assertion]
  const [tenant, user, assertion] = told.map((name) => valuesOf(rawHeaders, name)[0])
  const isAlice = tenant === 'a1b2c3' && user === 'alice' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion ?? '')
  return [
    ...(words.sort().join() === [...expected].sort().join() ? [] : [`words ${words.join()}`]),
    ...(isAlice === isKnown ? [] : ['somebody else']),
    ...(valuesOf(rawHeaders, 'cookie').join() === (cookie === '' ? '' : 'a=1') ? [] : ['cookies']),
    ...(`${rawHeaders.join()}${body}`.includes('evil') ? ['evil arrived'] : []),
    ...(target === path ? [] : ['target']),
  ]
}

t.test('T-06 T-07 T-08 T-34 T-35 over no protocol, path and method does a spelling of a client\'s get anywhere', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.setHeader('set-cookie', [`${cookieNames.session}=stolen; Secure; Path=/`, 'b=2']).end('hello')
  })
  const choices = { upstream: upstream.url, routes: [rule({ path: '/public', access: 'public' }), rule({ path: '/cross', preflight: true })] }
  const [plain, secured] = [await startGateway(t, choices), await startGateway(t, { ...choices, tls })]
  const protocols: Readonly<Record<string, Send>> = {
    'HTTP/1.1': overHttp1(plain.port),
    'HTTP/1.1 over TLS': overHttp1(secured.port, (options) => connectTls({ ...options, ca: authority, servername: 'localhost' })),
    'HTTP/2': overHttp2(t, secured.port),
    WebSocket: overWebSocket(plain.port),
  }
  const problems: string[] = []
  for (const [protocol, send] of Object.entries(protocols)) {
    for (const [name, scenario] of Object.entries(scenarios)) {
      for (const method of methods) {
        for (const spoofed of spoofs) {
          const [status, answer] = await send(method, scenario, spoofed)
          const expected = statusOf(method, scenario, protocol === 'WebSocket')
          const found = faultsOf(upstream, expected === 200, scenario)
          if (status !== expected) found.push(`status ${status}`)
          if (answer.includes('stolen')) found.push('our cookie was set')
          if (found.length > 0) problems.push(`${protocol}, ${name}, ${method}: ${found.join('; ')}`)
        }
      }
    }
  }
  t.strictSame([...new Set(problems)], [])
})
