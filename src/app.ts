import { randomUUID } from 'node:crypto'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { ClientAddressOf } from './base/client-address.ts'
import { faults } from './base/coded-errors.ts'
import type { AnswerVerdict } from './forward/answer-verdict.ts'
import { canonicalPath } from './forward/canonical-path.ts'
import { jwksRoutes } from './forward/jwks-routes.ts'
import { publicServer } from './forward/public-server.ts'
import { forwardRoutes, type ForwardRoutesOptions } from './forward/routes.ts'
import type { SigningKeys } from './forward/signing-keys.ts'
import type { TlsSettings } from './forward/tls-server.ts'
import { verifyRoutes, type VerifyRoutesOptions } from './forward/verify-routes.ts'
import { answerFault } from './pages/answer-fault.ts'
import { assets } from './pages/assets.ts'
import { refuseUnreadable } from './pages/refuse-unreadable.ts'
import { endFormsInTime, leaveUnreadBodies } from './pages/unread-bodies.ts'
import { pushRoutes, type PushRoutesOptions } from './push/routes.ts'
import { answerRefusal } from './sign-in/answer-refusal.ts'
import { accountRoutes } from './sign-in/account-routes.ts'
import { backchannelLogoutRoutes } from './sign-in/backchannel-logout-routes.ts'
import { callbackRoutes } from './sign-in/callback-routes.ts'
import { chooseRoutes } from './sign-in/choose-routes.ts'
import { confirmRoutes } from './sign-in/confirm-routes.ts'
import { limitSignIn } from './sign-in/limit-sign-in.ts'
import { sessionRoutes } from './sign-in/session-routes.ts'
import { startRoutes } from './sign-in/start-routes.ts'
import { turnAway } from './sign-in/turn-away.ts'
import type { SignInRoutesOptions } from './sign-in/wire-sign-in.ts'
import { createLogController, type LogOptions } from './telemetry/log.ts'
import { createRequestLog } from './telemetry/request-log.ts'

/** Everything the routes need, made by `compose.ts`. */
export interface AppServices extends SignInRoutesOptions {
  readonly logger: LogOptions
  readonly clientAddressOf: ClientAddressOf
  readonly push: PushRoutesOptions
  readonly forward: Omit<ForwardRoutesOptions, 'clientAddressOf' | 'ownPrefix' | keyof AnswerVerdict>
  readonly forwardAuth: Pick<VerifyRoutesOptions, 'callers' | 'hosts'>
  readonly signingKeys: Pick<SigningKeys, 'jwks' | 'historicalJwks'>
  /** Plain HTTP/1.1 if absent. */
  readonly tls: TlsSettings | undefined
}

/** A sign-in form is a few hundred bytes. */
const largestForm = 16_384

/** How the public listener's server takes, names and logs requests. */
export function serverOptions (logger: LogOptions, clientAddressOf: ClientAddressOf, tls?: TlsSettings) {
  return {
    logger,
    logController: createLogController(),
    childLoggerFactory: createRequestLog(clientAddressOf),
    // Nobody's id but ours: a client's would let it write into our log (C-38).
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    // Fastify would take host and scheme from a proxy's headers too; of those nothing is believed (T-21).
    trustProxy: false,
    clientErrorHandler: refuseUnreadable,
    ...publicServer(tls),
  } as const
}

/** The public listener: read this once and you know the product. The order of the lines is the order of judgement. */
export async function buildApp (services: AppServices): Promise<FastifyInstance> {
  const { ownPrefix } = services.signIn
  const onFault = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    answerFault(services.signIn, error, request, reply)
  const app = fastify({
    ...serverOptions(services.logger, services.clientAddressOf, services.tls),
    // The router gives up on malformed percent-encoding before any hook of ours can.
    frameworkErrors: (_error, request, reply) => { void onFault(new faults.PathAmbiguous(), request, reply) },
  })

  // A stop waits for what is under way and for nothing else.
  app.addHook('preClose', async () => { closeAnsweredConnections(app) })
  // What nobody below caught: a page or a problem body with a support code.
  app.setErrorHandler(onFault)
  // An answer that doesn't wait for the request's body is the last one on its connection.
  app.addHook('onSend', leaveUnreadBodies)
  // First of all: an address that two servers could read differently gets no further.
  await app.register(canonicalPath, { ownPrefix })
  // To write cookies. They are parsed for our own pages only; authentication and the forwarder read the header by themselves.
  await app.register(cookie, { hook: false })

  // The marketplace's signed calls: raw bytes, verified before anything is read out of them.
  await app.register(pushRoutes, { ...services.push, prefix: `${ownPrefix}/marketplace` })

  // A tenant's authorization server says that somebody has signed out there; no address unless it is switched on.
  await app.register(backchannelLogoutRoutes, { ...services.backchannelLogout, prefix: `${ownPrefix}/backchannel-logout` })

  // Our own pages: forms and nothing else.
  await app.register(async (pages) => {
    pages.removeAllContentTypeParsers()
    pages.addHook('onRequest', async (request) => { request.cookies = pages.parseCookie(request.headers.cookie ?? '') })
    pages.addHook('onRequest', endFormsInTime)
    await pages.register(formbody, { bodyLimit: largestForm })
    // Nobody begins sign-ins by the hundred.
    pages.addHook('onRequest', limitSignIn(services.signInLimits))
    // The style sheet and the icon.
    await pages.register(assets)
    // The way in: the login page with the marketplace's button …
    await pages.register(startRoutes, services.signIn)
    // … the marketplace's answer, judged by a table of checks …
    await pages.register(callbackRoutes, services.signIn)
    // … and the question where it isn't clear that the person wants this login.
    await pages.register(confirmRoutes, services.signIn)
    // Which of several purchases to work in, at sign-in and later.
    await pages.register(chooseRoutes, services.choose)
    // For somebody who is in: who am I, sign out.
    await pages.register(sessionRoutes, services.session)
    // … and where else they are signed in.
    await pages.register(accountRoutes, services.session)
    // The keys by which the application verifies who we say is there.
    await pages.register(jwksRoutes, { keys: services.signingKeys })
  }, { prefix: ownPrefix })

  const answers: AnswerVerdict = {
    turnAway: async (request, reply, authentication, asked) => turnAway(services.signIn, request, reply, authentication, asked),
    refuseRole: async (request, reply, { role }) => answerRefusal(services.signIn, request, reply, { reason: 'role-missing', log: { role } }),
    refuseOrigin: async (request, reply) => answerRefusal(services.signIn, request, reply, { reason: 'cross-site-request' }),
  }
  // A reverse proxy that forwards by itself asks whether it may; no address unless it is named.
  await app.register(verifyRoutes, { ...services.forward, ...services.forwardAuth, ...answers, ownPrefix, prefix: ownPrefix })

  // Everything else is the application's: streamed, with a verified identity, or turned away.
  await app.register(forwardRoutes, { ...services.forward, ...answers, clientAddressOf: services.clientAddressOf, ownPrefix })
  return app
}

/**
 * Fastify closes the connections that are idle when the stop begins. One whose answer was under way then is kept alive by that answer,
 * and would hold up the stop for as long as its client likes.
 */
function closeAnsweredConnections ({ server }: FastifyInstance): void {
  const timer = setInterval(() => { server.closeIdleConnections() }, 50).unref()
  server.once('close', () => { clearInterval(timer) })
}
