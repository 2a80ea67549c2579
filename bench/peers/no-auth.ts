import fastify from 'fastify'
import { serverOptions } from '../../src/app.ts'
import { createClientAddress } from '../../src/base/client-address.ts'
import { systemClock } from '../../src/base/clock.ts'
import { scheduleByTimer } from '../../src/base/schedule.ts'
import { accessTokenHeader, identityHeaders } from '../../src/base/header-names.ts'
import type { StoredSigningKey } from '../../src/base/signing-key-store.ts'
import type { AppId, InstanceId, Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { canonicalPath } from '../../src/forward/canonical-path.ts'
import { IdentityCache } from '../../src/forward/identity-cache.ts'
import { rehearseHttp } from '../../src/forward/rehearse-http.ts'
import { createRouteTable } from '../../src/forward/route-table.ts'
import { upstreamLists } from '../../src/forward/upstreams/upstreams.ts'
import { forwardRoutes } from '../../src/forward/routes.ts'
import { loadSigningKeys } from '../../src/forward/signing-keys.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { createLogOptions } from '../../src/telemetry/log.ts'

/**
 * The gateway's forwarder for somebody who is always let in: the same Fastify options, path judgement, identity headers and dispatch.
 * Left out: the session cookie, the hash of its value, the session store, every judgement about session, tokens and directory, and
 * all routes and plugins of our own pages.
 */
const [, , port, upstream = ''] = process.argv
const publicUrl = new URL(`http://127.0.0.1:${port}`)

const principal: Principal = {
  tenantId: '68cbc86abc2018ab880d92f36422fa0e' as TenantId,
  tenantName: '晨曦科技',
  appId: '0bd452b0-58af-4b98-9bda-6bf59da68d57' as AppId,
  instanceId: 'instance-1' as InstanceId,
  userName: 'lihua' as UserName,
  name: '李华',
  role: 'user',
  departmentCode: '10000',
  access: 'full',
}
const now = systemClock.now()
const session: Session = {
  ref: 'always' as SessionRef,
  tenantId: principal.tenantId,
  appId: principal.appId,
  userName: principal.userName,
  knownLoss: '',
  clientId: 'client-1',
  tokens: { accessToken: 'none', expiresAt: Infinity },
  createdAt: now,
  endsAt: Infinity,
  lastSeenAt: now,
  renewalDueAt: Infinity,
  revision: 1,
}
const authentication = { kind: 'allow', session, principal } as const

const kept: StoredSigningKey[] = []
const keyStore = { list: async () => kept, save: async (key: StoredSigningKey) => kept.push(key) === 1, replace: async () => {} }
const keys = await loadSigningKeys(keyStore, systemClock)

const headerNames = { ...identityHeaders, accessToken: accessTokenHeader }
const app = fastify(serverOptions(createLogOptions({ level: 'info' }), createClientAddress([])))
await app.register(canonicalPath, { ownPrefix: '/_gate' })
const servers = { upstream: [{ origin: new URL(upstream).origin }], timeoutSeconds: 60 }
await app.register(forwardRoutes, {
  findRoute: createRouteTable([], servers),
  upstreamLists: upstreamLists(servers),
  upstreams: {
    balance: 'round-robin',
    healthPath: undefined,
    healthIntervalSeconds: 5,
    slowStartSeconds: 0,
    authorities: undefined,
    certificate: undefined,
    key: undefined,
    clock: systemClock,
    schedule: scheduleByTimer,
  },
  rewriteLocation: true,
  publicUrl,
  clientAddressOf: createClientAddress([]),
  ownPrefix: '/_gate',
  identities: new IdentityCache({ keys, headerNames, publicUrl, clock: systemClock }),
  authenticate: async () => authentication,
  recheck: async () => authentication,
  changes: createChangeFeed(),
  webSocketOrigins: [],
  turnAway: async (_request, reply) => reply.code(500).send(),
  refuseRole: async (_request, reply) => reply.code(500).send(),
  refuseOrigin: async (_request, reply) => reply.code(500).send(),
})
await rehearseHttp()
await app.listen({ host: '127.0.0.1', port: Number(port) })
