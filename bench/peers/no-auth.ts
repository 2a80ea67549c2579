import fastify from 'fastify'
import { serverOptions } from '../../src/app.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { StoredSigningKey } from '../../src/base/signing-key-store.ts'
import type { AppId, InstanceId, Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { canonicalPath } from '../../src/forward/canonical-path.ts'
import { IdentityCache } from '../../src/forward/identity-cache.ts'
import { forwardRoutes } from '../../src/forward/routes.ts'
import { loadSigningKeys } from '../../src/forward/signing-keys.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
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
const keys = await loadSigningKeys({ list: async () => kept, saveFirst: async (key) => kept.push(key) === 1 }, systemClock)

const app = fastify(serverOptions(createLogOptions({ level: 'info' })))
await app.register(canonicalPath, { ownPrefix: '/_gate' })
await app.register(forwardRoutes, {
  upstream: new URL(upstream),
  publicUrl,
  ownPrefix: '/_gate',
  identities: new IdentityCache({ keys, publicUrl, clock: systemClock }),
  upstreamTimeoutSeconds: 60,
  authenticate: async () => authentication,
  turnAway: async (_request, reply) => reply.code(500).send(),
})
await app.listen({ host: '127.0.0.1', port: Number(port) })
