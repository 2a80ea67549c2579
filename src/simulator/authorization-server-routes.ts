import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { MarketplaceOptions } from './marketplace-options.ts'
import { resolveUrl } from './marketplace-options.ts'
import type { Enterprise, MarketplaceState, Member } from './marketplace-state.ts'
import { waitFor, type Scheduler } from './scheduler.ts'
import { checkPassword, continueAs, signOnMessages, startSso } from './sign-on.ts'
import { centrePaths, clearSsoCookie, readSsoCookie, setSsoCookie } from './sso-cookie.ts'
import { answerTokenRequest, issueCode, readUserinfo } from './token-endpoint.ts'
import type { Views } from './views.ts'

interface AuthorizationServerParts {
  readonly state: MarketplaceState
  readonly options: MarketplaceOptions
  readonly views: Views
  readonly scheduler: Scheduler
}

const text = z.string().optional()
const authorizeQuery = z.object({ client_id: z.string(), redirect_uri: z.string(), response_type: text, scope: text, state: text })
const tokenForm = z.object({ grant_type: text, client_id: text, client_secret: text, code: text, redirect_uri: text, refresh_token: text })
const signOnForm = z.object({ account: z.string(), password: z.string() })
const logoutQuery = z.object({ redirect_url: text })

const unreadable = { error: 'invalid_request', error_description: 'Invalid request' }

interface EnterpriseRoute { Params: { code: string } }

/** How long a hanging authorization server keeps a caller waiting: longer than the gateway's patience, and not for ever. */
const hangMilliseconds = 60_000

/**
 * The authentication centre of each enterprise, under `/as/{code}`: the `domainName` of its tenantSync (login.md §1.2–1.7). It answers
 * under `/as-moved/{code}` too, where a changed domain leads.
 */
export function registerAuthorizationServers (app: FastifyInstance, parts: AuthorizationServerParts): void {
  for (const path of centrePaths) {
    app.register(async (centre) => {
      centre.addHook('onRequest', async (_request, reply) => {
        const { authorizationServer } = parts.state.faults
        if (authorizationServer === 'off') return
        if (authorizationServer === 'hanging') await waitFor(parts.scheduler, hangMilliseconds)
        return reply.code(503).type('text/plain; charset=utf-8').send('Service Unavailable')
      })
      registerAuthorizationServer(centre, parts)
    }, { prefix: path })
  }
}

function registerAuthorizationServer (app: FastifyInstance, parts: AuthorizationServerParts): void {
  const { state, options } = parts
  const tokenParts = { state, callbackUrl: options.callbackUrl, clock: options.clock }

  app.get<EnterpriseRoute>('/:code/api/v1/oauth2/authorize', (request, reply) => authorize(parts, request, reply))
  app.post<EnterpriseRoute>('/:code/api/v1/oauth2/authorize', (request, reply) => authorize(parts, request, reply))

  app.post<EnterpriseRoute>('/:code/api/v1/oauth2/token', async (request, reply) => {
    const enterprise = state.enterprises.get(request.params.code)
    const form = tokenForm.safeParse(request.body)
    if (enterprise === undefined || !form.success) return await reply.code(400).send(unreadable)
    const answer = answerTokenRequest(tokenParts, enterprise, form.data)
    // RFC 6749 §5.1: what holds tokens is in no cache.
    return await reply.code('error' in answer ? 400 : 200).header('cache-control', 'no-store').send(answer)
  })

  app.get<EnterpriseRoute>('/:code/api/v1/oauth2/userinfo', async (request, reply) => {
    const enterprise = state.enterprises.get(request.params.code)
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    const claims = enterprise === undefined || token === undefined ? undefined : readUserinfo(tokenParts, enterprise, token)
    if (claims !== undefined) return claims
    const refusal = { error: 'unauthorized', error_description: 'Full authentication is required to access this resource' }
    return await reply.code(401).send(refusal)
  })

  app.get<EnterpriseRoute>('/:code/api/v1/logout', (request, reply) => logout(parts, request, reply))
}

function authorize (parts: AuthorizationServerParts, request: FastifyRequest<EnterpriseRoute>, reply: FastifyReply): FastifyReply {
  const { state, options } = parts
  const enterprise = state.enterprises.get(request.params.code)
  const query = authorizeQuery.safeParse(request.query)
  if (enterprise === undefined || !query.success) return showFault(parts, reply, 'The authorization request is incomplete.')
  // Neither fault may be sent to the address which it is about (RFC 6749 §4.1.2.1).
  if (query.data.client_id !== enterprise.client?.clientId) return showFault(parts, reply, 'Client ID mismatch')
  const { redirect_uri: redirectUri, response_type: responseType, state: clientState } = query.data
  if (redirectUri !== resolveUrl(options.callbackUrl)) {
    return showFault(parts, reply, `Invalid redirect: ${redirectUri} does not match one of the registered values.`)
  }
  const goBack = (members: Record<string, string>): FastifyReply => {
    const answer = new URLSearchParams({ ...members, ...(clientState === undefined ? {} : { state: clientState }) })
    return reply.redirect(`${redirectUri}?${answer.toString()}`, request.method === 'POST' ? 303 : 302)
  }
  if (responseType !== 'code') return goBack({ error: 'unsupported_response_type', error_description: 'Unsupported response type' })

  const signOn = signOnHere(parts, request, reply, enterprise)
  if (typeof signOn === 'string') return showForm(parts, reply, enterprise, signOn)
  return goBack({ code: issueCode({ state, callbackUrl: options.callbackUrl, clock: options.clock }, enterprise, signOn, redirectUri) })
}

/** The member: by the form just sent, else by the SSO cookie. Otherwise the message above the form, which may be empty. */
function signOnHere (
  { state, options }: AuthorizationServerParts, request: FastifyRequest, reply: FastifyReply, enterprise: Enterprise,
): Member | string {
  if (request.method !== 'POST') {
    const signOn = continueAs(state, options.clock, enterprise, readSsoCookie(request, enterprise.code))
    return signOn === undefined ? '' : signOn.kind === 'refused' ? signOnMessages[signOn.reason] : signOn.member
  }
  const form = signOnForm.safeParse(request.body)
  if (!form.success) return signOnMessages['password-wrong']
  const userName = form.data.account.trim().replace(new RegExp(`@${enterprise.code}$`), '')
  const signOn = checkPassword(state, `${userName}@${enterprise.code}`, form.data.password)
  if (signOn.kind === 'refused') return signOnMessages[signOn.reason]
  setSsoCookie(reply, enterprise.code, startSso(state, options.clock, enterprise, signOn.member))
  return signOn.member
}

function logout (parts: AuthorizationServerParts, request: FastifyRequest<EnterpriseRoute>, reply: FastifyReply): FastifyReply {
  const { state, options } = parts
  const { code } = request.params
  const query = logoutQuery.safeParse(request.query)
  if (!state.enterprises.has(code) || !query.success) return showFault(parts, reply, 'The logout request is malformed.')
  const target = query.data.redirect_url
  state.ssoSessions.delete(readSsoCookie(request, code))
  clearSsoCookie(reply, code)
  if (target === undefined) return reply.redirect(`/unified-login/#/portal-login?ind=UNOP&appId=${encodeURIComponent(options.appId)}`)
  // Undocumented for the real one; a sister product checks it against the registered callback (login.md §5.1).
  const isRegistered = URL.canParse(target) && new URL(target).origin === new URL(resolveUrl(options.callbackUrl)).origin
  return isRegistered ? reply.redirect(target) : showFault(parts, reply, `Invalid redirect: ${target} is not on the registered origin.`)
}

function showForm ({ views }: AuthorizationServerParts, reply: FastifyReply, enterprise: Enterprise, message: string): FastifyReply {
  const model = { title: `${enterprise.name} · 登录 Sign in`, enterpriseName: enterprise.name, enterpriseCode: enterprise.code, message }
  return reply.code(message === '' ? 200 : 401).type('text/html; charset=utf-8').send(views('sign-on', model))
}

function showFault ({ views }: AuthorizationServerParts, reply: FastifyReply, message: string): FastifyReply {
  return reply.code(400).type('text/html; charset=utf-8').send(views('fault', { title: '请求有误 · Bad request', message }))
}
