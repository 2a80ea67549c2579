import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { identityHeaders } from '../base/header-names.ts'
import { readView } from '../pages/read-view.ts'
import type { LateUrl } from './marketplace-options.ts'
import { createViews, type Views } from './views.ts'
import { createVisitorVerifier, type Verification, type Visitor } from './visitor.ts'

export interface SampleApplicationOptions {
  /** The gateway's public address: issuer of the assertion and home of its keys. */
  readonly gatewayUrl: LateUrl
  /** The audience. */
  readonly appId: string
  /** The gateway's own prefix, such as `/_gate`. */
  readonly prefix: string
  readonly clock: Clock
}

declare module 'fastify' {
  interface FastifyRequest { visitor: Visitor | undefined }
}

/** A seller's application: knows nothing of OAuth, pushes or keys, and refuses whoever did not come through the gateway. */
export async function createSampleApplication (options: SampleApplicationOptions): Promise<FastifyInstance> {
  const views = createViews()
  const verify = createVisitorVerifier(options)
  const app = Fastify({ forceCloseConnections: true })
  app.decorateRequest('visitor', undefined)
  const styleSheet = readView('simulator/sample.css')
  const script = readView('simulator/sample.js')
  app.get('/sample.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(styleSheet))
  app.get('/sample.js', (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))

  await app.register(async (closed) => {
    closed.addHook('onRequest', async (request, reply) => {
      const assertion = request.headers[identityHeaders.assertion]
      const verification = await verify(typeof assertion === 'string' ? assertion : undefined)
      if (verification.kind === 'refused') return turnAway(reply, views, verification)
      request.visitor = verification.visitor
    })
    closed.get('/api/me', async (request) => request.visitor)
    closed.get('*', (request, reply) => showVisitor(reply, request, views, options.prefix))
  })
  return app
}

function turnAway (reply: FastifyReply, views: Views, { reason }: Extract<Verification, { kind: 'refused' }>): FastifyReply {
  const status = reason === 'keys-unavailable' ? 503 : 401
  const page = views('sample-bypassed', { title: '请从网关进入 · Come through the gateway', reason })
  return reply.code(status).type('text/html; charset=utf-8').send(page)
}

function showVisitor (reply: FastifyReply, request: FastifyRequest, views: Views, prefix: string): FastifyReply {
  const { visitor } = request
  if (visitor === undefined) throw new Error('a route of the sample application stands outside its check')
  const headers = Object.entries(request.headers).map(([name, value]) => ({ name, value: shorten(String(value)) }))
  const model = { title: '示例应用 · Sample application', visitor, headers, prefix, url: request.url }
  return reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(views('sample-visitor', model))
}

const shorten = (value: string): string => value.length > 120 ? `${value.slice(0, 120)}…` : value
