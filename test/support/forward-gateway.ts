import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type NetConnectOpts, type Server as TcpServer, type Socket } from 'node:net'
import { createClientAddress } from '../../src/base/client-address.ts'
import { faults } from '../../src/base/coded-errors.ts'
import { accessTokenHeader, identityHeaders, type IdentityHeaderNames } from '../../src/base/header-names.ts'
import { scheduleByTimer } from '../../src/base/schedule.ts'
import type { AppId, InstanceId, Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { canonicalPath } from '../../src/forward/canonical-path.ts'
import { IdentityCache } from '../../src/forward/identity-cache.ts'
import { forwardRoutes, type ForwardRoutesOptions } from '../../src/forward/routes.ts'
import { jwksRoutes } from '../../src/forward/jwks-routes.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../src/base/signing-key-store.ts'
import { createRouteTable, type RouteRule } from '../../src/forward/route-table.ts'
import { loadSigningKeys, type SigningKeys } from '../../src/forward/signing-keys.ts'
import { publicServer } from '../../src/forward/public-server.ts'
import type { TlsSettings } from '../../src/forward/tls-server.ts'
import type { UpstreamAddress } from '../../src/forward/upstreams/upstream-address.ts'
import type { UpstreamOptions } from '../../src/forward/upstreams/upstream-server.ts'
import { upstreamLists } from '../../src/forward/upstreams/upstreams.ts'
import { refuseUnreadable } from '../../src/pages/refuse-unreadable.ts'
import type { Authentication } from '../../src/session/authentication.ts'
import { cookieNames, cookieValues } from '../../src/session/cookies.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { createChangeFeed, type StoreChanges } from '../../src/session/store-changes.ts'
import { ManualClock } from './manual-clock.ts'

/** The part of tap's `t` that these helpers need. */
interface Test { teardown (run: () => unknown): void }

export interface SeenRequest { method: string, target: string, rawHeaders: string[], body: string }

export interface RecordingUpstream { url: URL, seen: SeenRequest[], server: Server }

/** An upstream that writes down what it got, raw, and answers as told (default: 200 `hello`). */
export async function startUpstream (t: Test, answer?: (req: IncomingMessage, res: ServerResponse) => void): Promise<RecordingUpstream> {
  const seen: SeenRequest[] = []
  const listener: RequestListener = (req, res) => {
    const entry = { method: req.method ?? '', target: req.url ?? '', rawHeaders: req.rawHeaders, body: '' }
    seen.push(entry)
    if (answer !== undefined) return answer(req, res)
    req.on('data', (chunk: Buffer) => { entry.body += chunk.toString('latin1') }).on('end', () => res.end('hello'))
  }
  const server = createServer(listener)
  const url = await listen(t, server)
  t.teardown(() => server.closeAllConnections())
  return { url, seen, server }
}

/** An upstream below HTTP: the test writes its bytes itself. */
export async function startRawUpstream (t: Test, onConnection: (socket: Socket) => void): Promise<URL> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  return await listen(t, server)
}

async function listen (t: Test, server: Server | TcpServer): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

export const alice: Principal = {
  tenantId: 'a1b2c3' as TenantId,
  tenantName: '示例企业',
  appId: 'app-1' as AppId,
  instanceId: 'instance-1' as InstanceId,
  userName: 'alice' as UserName,
  name: '爱丽丝 A%',
  role: 'user',
  departmentCode: 'D-01',
  access: 'full',
}

function sessionOf (ref: string, principal = alice): Session {
  return {
    ref: ref as SessionRef,
    tenantId: principal.tenantId,
    appId: principal.appId,
    userName: principal.userName,
    knownLoss: '',
    clientId: 'client',
    tokens: { accessToken: 'token', expiresAt: 0 },
    createdAt: 0,
    endsAt: 0,
    lastSeenAt: 0,
    renewalDueAt: 0,
    revision: 1,
  }
}

export class MemoryKeyStore implements SigningKeyStore {
  readonly #keys: StoredSigningKey[] = []

  async list (): Promise<readonly StoredSigningKey[]> {
    return [...this.#keys]
  }

  async save (key: StoredSigningKey): Promise<boolean> {
    if (this.#keys.some(({ follows }) => follows === key.follows)) return false
    this.#keys.push(key)
    return true
  }

  async replace (key: StoredSigningKey): Promise<void> {
    this.#keys.splice(this.#keys.findIndex(({ follows }) => follows === key.follows), 1, key)
  }
}

export interface ForwardGateway {
  app: FastifyInstance
  port: number
  clock: ManualClock
  /** Log lines of level `warn` and above. */
  warnings: string[]
  sessions: Map<string, Principal>
  keys: SigningKeys
}

export interface GatewayChoices {
  upstream: URL | readonly UpstreamAddress[]
  upstreamTimeoutSeconds?: number
  routes?: readonly RouteRule[]
  upstreams?: Partial<UpstreamOptions>
  clock?: ManualClock
  /** Of the lines in `warnings`. */
  logLevel?: 'info'
  rewriteLocation?: boolean
  authenticate?: ForwardRoutesOptions['authenticate']
  recheck?: ForwardRoutesOptions['recheck']
  changes?: StoreChanges
  webSocketOrigins?: readonly string[]
  tls?: TlsSettings
  keyStore?: SigningKeyStore
  headerNames?: IdentityHeaderNames
  /** Leaves out `canonicalPath`. */
  isUnjudged?: boolean
  /** Routes of ours under the prefix. */
  own?: (app: FastifyInstance) => void
}

const upstreamDefaults: Omit<UpstreamOptions, 'clock' | 'schedule' | 'log'> = {
  balance: 'round-robin', healthPath: undefined, healthIntervalSeconds: 5, slowStartSeconds: 0, authorities: undefined, certificate: undefined, key: undefined,
}

export const defaultHeaderNames: IdentityHeaderNames = { ...identityHeaders, accessToken: accessTokenHeader }

export const sessionCookie = `${cookieNames.session}=good`

/**
 * The room `forward` with as little around it as it needs: a session is a cookie's value in `sessions` (at first `good` is alice's),
 * everybody else gets 401, faults are answered with their code.
 */
export async function startGateway (t: Test, choices: GatewayChoices): Promise<ForwardGateway> {
  const clock = choices.clock ?? new ManualClock()
  const warnings: string[] = []
  const sessions = new Map([['good', alice]])
  const keys = await loadSigningKeys(choices.keyStore ?? new MemoryKeyStore(), clock)
  const app = Fastify({
    ...publicServer(choices.tls),
    clientErrorHandler: refuseUnreadable,
    logger: { level: choices.logLevel ?? 'warn', stream: { write: (line: string) => { warnings.push(line) } } },
    frameworkErrors: (_error, _request, reply) => { void (reply as FastifyReply).code(400).send(new faults.PathAmbiguous()) },
  })
  app.setErrorHandler<Error & { code?: string, statusCode?: number }>((error, _request, reply) => {
    return reply.code(error.statusCode ?? 500).send({ code: error.code })
  })
  const publicUrl = new URL('https://app.example.com')
  if (choices.isUnjudged !== true) await app.register(canonicalPath, { ownPrefix: '/_gate' })
  await app.register(jwksRoutes, { prefix: '/_gate', keys })
  choices.own?.(app)
  const { routes = [], upstream } = choices
  const defaults = {
    upstream: upstream instanceof URL ? [{ origin: upstream.origin }] : upstream,
    timeoutSeconds: choices.upstreamTimeoutSeconds ?? 30,
  }
  await app.register(forwardRoutes, {
    findRoute: createRouteTable(routes, defaults),
    upstreamLists: upstreamLists(defaults, ...routes),
    upstreams: { ...upstreamDefaults, clock, schedule: scheduleByTimer, ...choices.upstreams },
    rewriteLocation: choices.rewriteLocation ?? true,
    publicUrl,
    clientAddressOf: createClientAddress([]),
    ownPrefix: '/_gate',
    identities: new IdentityCache({ keys, headerNames: choices.headerNames ?? defaultHeaderNames, publicUrl, clock }),
    authenticate: choices.authenticate ?? (async (cookie) => authenticate(sessions, cookie)),
    recheck: choices.recheck ?? (async ({ ref }) => authenticate(sessions, `${cookieNames.session}=${ref}`)),
    changes: choices.changes ?? createChangeFeed(),
    webSocketOrigins: choices.webSocketOrigins ?? [],
    turnAway: async (_request, reply) => reply.code(401).send({ code: 'turned-away' }),
    refuseRole: async (_request, reply) => reply.code(403).send({ code: 'role-missing' }),
    refuseOrigin: async (_request, reply) => reply.code(403).send({ code: 'foreign-origin' }),
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => { app.server.closeAllConnections() })
  t.teardown(() => app.close())
  return { app, port: (app.server.address() as AddressInfo).port, clock, warnings, sessions, keys }
}

function authenticate (sessions: Map<string, Principal>, cookie: string | undefined): Authentication {
  const [value, ...others] = cookieValues(cookie, cookieNames.session)
  const principal = value === undefined || others.length > 0 ? undefined : sessions.get(value)
  if (value === undefined || principal === undefined) return { kind: 'login', because: 'no-cookie' }
  return { kind: 'allow', session: sessionOf(value, principal), principal }
}

/**
 * Sends bytes as they are and resolves to all that came back until the other side closed.
 *
 * @param pieceLength if given, they are sent in pieces, each in a segment of its own
 * @param react told of all that was received so far, each time more comes
 * @param dial opens the connection, by default without TLS
 */
export function talk (
  port: number, text: string, pieceLength = 0, react?: (received: string, write: (text: string) => void) => void,
  dial: (options: NetConnectOpts) => Socket = connect,
): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = dial({ port, host: '127.0.0.1', noDelay: true })
    const write = (more: string): void => { socket.write(more, 'latin1') }
    socket
      .on('data', (chunk) => {
        answer += chunk.toString('latin1')
        react?.(answer, write)
      })
      .on('error', (error) => { answer += `[${error.message}]` })
      .on('close', () => resolve(answer))
    if (pieceLength === 0) return write(text)
    const writeFrom = (at: number): void => {
      if (at < text.length && socket.writable) socket.write(text.slice(at, at + pieceLength), 'latin1', () => { writeFrom(at + pieceLength) })
    }
    writeFrom(0)
  })
}

/** A request as bytes, by default signed in and the last one of its connection. */
export function requestText (target: string, { method = 'GET', headers = [], body = '', keepAlive = false, cookie = sessionCookie }: {
  method?: string, headers?: string[], body?: string, keepAlive?: boolean, cookie?: string
} = {}): string {
  const lines = [`${method} ${target} HTTP/1.1`, 'host: app.example.com', ...headers]
  if (cookie !== '') lines.push(`cookie: ${cookie}`)
  if (body !== '') lines.push(`content-length: ${Buffer.byteLength(body, 'latin1')}`)
  if (!keepAlive && !headers.some((line) => /^connection:/i.test(line))) lines.push('connection: close')
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** All values of a header as they came, by the name that upstreams which fold names would see. */
export function valuesOf (rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase().replace(/[^a-z0-9]/g, '-') === name) values.push(rawHeaders[index + 1] ?? '')
  }
  return values
}

export function statusOfAnswer (answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}
