import type { FastifyPluginAsync } from 'fastify'
import { currentTenant } from '../directory/decide-access.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import type { Person } from '../pages/views.ts'
import type { Authenticate } from '../session/authenticate.ts'
import { cookieAttributes, cookieNames, ownCookieNames } from '../session/cookies.ts'
import type { Session } from '../session/session.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { isNavigation, isSameOrigin } from '../base/request-kind.ts'
import { seeOther } from './hand-over.ts'
import { logoutLocation, signedOutUrl, signOut, type SignOutDeps } from './sign-out.ts'
import { turnAway } from './turn-away.ts'

export interface SessionRoutesOptions extends SignOutDeps, AnswerRefusalDeps {
  readonly authenticate: Authenticate
  readonly limits: { readonly idleTimeoutSeconds: number }
}

/** Our own pages for somebody who is in: who am I, sign out. Register it with the gateway's prefix as Fastify's `prefix`. */
export const sessionRoutes: FastifyPluginAsync<SessionRoutesOptions> = async function sessionRoutes (app, deps) {
  const { pages, settings, authenticate } = deps

  app.get('/session', async (request, reply) => {
    const authentication = await authenticate(request.headers.cookie)
    if (authentication.kind !== 'allow') return turnAway(deps, request, reply, authentication)
    const { principal, session } = authentication
    return reply.header('cache-control', 'no-store').send({
      tenant: principal.tenantId,
      tenantName: principal.tenantName,
      user: principal.userName,
      name: principal.name,
      role: principal.role,
      department: principal.departmentCode,
      instance: principal.instanceId,
      access: principal.access,
      signedInAt: new Date(session.createdAt).toISOString(),
      endsAt: new Date(session.endsAt).toISOString(),
      idleTimeoutSeconds: deps.limits.idleTimeoutSeconds,
    })
  })

  async function personOf ({ tenantId, appId, userName }: Session): Promise<Person> {
    const tenant = currentTenant(await deps.directory.viewTenant('production', tenantId, appId))
    return { userName, name: userName, tenantName: tenant?.name ?? '' }
  }

  // A link can't sign anybody out: it shows the button (T-31).
  app.get('/sign-out', async (request, reply) => {
    const { lang } = request.query as Record<string, unknown>
    rememberLocale(reply, lang)
    const authentication = await authenticate(request.headers.cookie)
    if (authentication.kind !== 'allow' && authentication.kind !== 'choose') return seeOther(reply, signedOutUrl(settings))
    return sendPage(reply, 200, pages.signOut({
      locale: requestLocale(request.headers, lang),
      here: `${settings.ownPrefix}/sign-out`,
      // Also where the purchase is closed and another isn't chosen yet.
      person: authentication.kind === 'allow' ? authentication.principal : await personOf(authentication.session),
      formActions: [await logoutLocation(deps, request.headers.cookie)],
    }))
  })

  app.post('/sign-out', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const location = await signOut(deps, request.headers.cookie)
    request.log.info({ event: 'session.signed-out' }, 'signed out')
    // All but the language, which says nothing of the person: whoever sits here next finds nothing begun (T-14).
    for (const name of ownCookieNames(request.headers.cookie)) {
      if (name !== cookieNames.language) reply.clearCookie(name, cookieAttributes)
    }
    // A script can't follow to another origin: it is told where the browser must go.
    return isNavigation(request.headers) ? seeOther(reply, location) : reply.header('cache-control', 'no-store').send({ continueAt: location })
  })

  app.get('/signed-out', async (request, reply) => {
    const { lang } = request.query as Record<string, unknown>
    rememberLocale(reply, lang)
    return sendPage(reply, 200, pages.signedOut({ locale: requestLocale(request.headers, lang), here: `${settings.ownPrefix}/signed-out` }))
  })
}
