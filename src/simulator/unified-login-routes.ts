import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readView } from '../pages/read-view.ts'
import type { MarketplaceOptions } from './marketplace-options.ts'
import { resolveUrl } from './marketplace-options.ts'
import type { Enterprise, MarketplaceState, Member } from './marketplace-state.ts'
import { checkPassword, continueAs, findSsoMember, signOnMessages, startSso, type SignOn } from './sign-on.ts'
import { readSsoCookie, setSsoCookie } from './sso-cookie.ts'
import { issueCode } from './token-endpoint.ts'
import type { Views } from './views.ts'

interface UnifiedLoginParts {
  readonly state: MarketplaceState
  readonly options: MarketplaceOptions
  readonly views: Views
}

const loginBody = z.object({ appId: z.string(), account: z.string(), password: z.string() })
const continueBody = z.object({ appId: z.string(), enterprise: z.string() })

/**
 * The unified login page (login.md §1.1). Its parameters stand behind the `#`, where no server sees them: a script reads them,
 * talks to this API and does what the docs call a redirect.
 */
export function registerUnifiedLogin (app: FastifyInstance, { state, options, views }: UnifiedLoginParts): void {
  app.get('/unified-login', (_request, reply) => reply.redirect('/unified-login/'))
  const page = views('unified-login', { title: '统一登录 · Unified login' })
  const script = readView('simulator/unified-login.js')
  app.get('/unified-login/', (_request, reply) => reply.type('text/html; charset=utf-8').send(page))
  app.get('/unified-login/page.js', (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))

  app.get<{ Querystring: { appId?: string } }>('/unified-login/api/sessions', async (request) => {
    if (request.query.appId !== options.appId) return { isKnown: false, sessions: [] }
    return { isKnown: true, sessions: listSessions(request, state, options) }
  })

  app.post('/unified-login/api/login', async (request, reply) => {
    const body = loginBody.safeParse(request.body)
    if (!body.success || body.data.appId !== options.appId) return await reply.code(400).send({ message: unknownApplication })
    const signOn = checkPassword(state, body.data.account.trim(), body.data.password)
    if (signOn.kind === 'refused') return await reply.code(401).send(refusal(signOn))
    setSsoCookie(reply, signOn.enterprise.code, startSso(state, options.clock, signOn.enterprise, signOn.member))
    return { redirect: callbackFor(state, options, signOn.enterprise, signOn.member) }
  })

  app.post('/unified-login/api/continue', async (request, reply) => {
    const body = continueBody.safeParse(request.body)
    if (!body.success || body.data.appId !== options.appId) return await reply.code(400).send({ message: unknownApplication })
    const enterprise = state.enterprises.get(body.data.enterprise)
    const signOn = enterprise && continueAs(state, options.clock, enterprise, readSsoCookie(request, enterprise.code))
    if (signOn === undefined) return await reply.code(401).send({ message: '登录已失效 · That sign-on has ended' })
    if (signOn.kind === 'refused') return await reply.code(401).send(refusal(signOn))
    return { redirect: callbackFor(state, options, signOn.enterprise, signOn.member) }
  })
}

const unknownApplication = '应用不存在 · There is no such application'

function refusal ({ reason }: Extract<SignOn, { kind: 'refused' }>): { reason: string, message: string } {
  return { reason, message: signOnMessages[reason] }
}

function listSessions (request: FastifyRequest, state: MarketplaceState, { clock }: MarketplaceOptions): Record<string, string>[] {
  const sessions: Record<string, string>[] = []
  for (const enterprise of state.enterprises.values()) {
    const member = findSsoMember(state, clock, enterprise, readSsoCookie(request, enterprise.code))
    if (member === undefined) continue
    const account = `${member.userName}@${enterprise.code}`
    sessions.push({ enterprise: enterprise.code, enterpriseName: enterprise.name, account, name: member.name })
  }
  return sessions
}

/** Where the page sends the browser: `code` and `tenant`, and no `state` ever (login.md §1.1). */
export function callbackFor (state: MarketplaceState, options: MarketplaceOptions, enterprise: Enterprise, member: Member): string {
  const callbackUrl = resolveUrl(options.callbackUrl)
  const code = issueCode({ state, clock: options.clock, callbackUrl }, enterprise, member)
  return `${callbackUrl}?${new URLSearchParams({ code, tenant: enterprise.tenantId }).toString()}`
}
