import type { FastifyPluginAsync } from 'fastify'
import { isNavigation, isSameOrigin } from '../base/request-kind.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import type { Authenticate } from '../session/authenticate.ts'
import type { SessionLimits } from '../session/life-rules.ts'
import { endOwnSession, listOwnSessions } from '../session/list-sessions.ts'
import { shortRef, type SessionRef } from '../session/session.ts'
import type { SessionStore } from '../session/session-store.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { fieldOf } from './form-field.ts'
import { seeOther } from './hand-over.ts'
import type { SignInSettings } from './settings.ts'
import { turnAway } from './turn-away.ts'

export interface AccountRoutesOptions extends AnswerRefusalDeps {
  readonly authenticate: Authenticate
  readonly sessions: Pick<SessionStore, 'find' | 'end' | 'list'>
  readonly limits: SessionLimits
  readonly settings: SignInSettings
}

/** Where somebody is signed in, and the button to end it (C-29). A session's ref is a hash: it opens nothing. */
export const accountRoutes: FastifyPluginAsync<AccountRoutesOptions> = async function accountRoutes (app, deps) {
  const { pages, settings, authenticate, sessions } = deps

  app.get('/account', async (request, reply) => {
    const { lang } = request.query as Record<string, unknown>
    rememberLocale(reply, lang)
    const authentication = await authenticate(request.headers.cookie)
    if (authentication.kind !== 'allow') return turnAway(deps, request, reply, authentication)
    const own = await listOwnSessions(deps, authentication.session)
    if (!isNavigation(request.headers)) {
      const rows = own.map(({ ref, createdAt, lastSeenAt, endsAt, isCurrent }) => ({
        ref, signedInAt: new Date(createdAt), lastSeenAt: new Date(lastSeenAt), endsAt: new Date(endsAt), isCurrent,
      }))
      return reply.header('cache-control', 'no-store').send({ sessions: rows })
    }
    return sendPage(reply, 200, pages.account({
      locale: requestLocale(request.headers, lang),
      here: `${settings.ownPrefix}/account`,
      person: authentication.principal,
      sessions: own,
    }))
  })

  app.post('/account', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const authentication = await authenticate(request.headers.cookie)
    if (authentication.kind !== 'allow') return turnAway(deps, request, reply, authentication)
    const { session } = authentication
    const ended = await endOwnSession({ sessions }, session, (fieldOf(request, 'session') ?? '') as SessionRef)
    if (ended !== undefined) {
      const { tenantId, userName } = session
      const line = { event: 'session.ended-by-owner', sessionRef: shortRef(ended.ref), by: shortRef(session.ref), tenantId, userName }
      request.log.info(line, 'somebody ended a session of their own')
    }
    // One that is gone by now is as good as ended.
    if (isNavigation(request.headers)) return seeOther(reply, `${settings.ownPrefix}/account`)
    return reply.code(204).header('cache-control', 'no-store').send()
  })
}
