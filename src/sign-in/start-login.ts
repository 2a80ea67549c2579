import type { Clock } from '../base/clock.ts'
import { sha256 } from '../base/digest.ts'
import { createRandomId } from '../base/random-id.ts'
import type { TenantId } from '../directory/model.ts'
import { cookieNames } from '../session/cookies.ts'
import type { LoginFlow, LoginFlowStore } from '../session/login-flow.ts'
import type { AuthorizationServer, Client } from './authorization-server.ts'
import { flowRefOf, mostFlows, readHeldFlows, stateOf } from './flow-cookies.ts'
import { callbackUrl, unifiedLoginLocation, type SignInSettings } from './settings.ts'

/** C-2: at most ten minutes. */
export const flowLifetimeSeconds = 600

/** A login begun: the cookie that ties it to this browser, and where the browser goes now. */
export interface StartedLogin {
  readonly location: string
  readonly cookie: { readonly name: string, readonly value: string }
  /** Cookies of this browser that stand for nothing any more. */
  readonly spentCookies: readonly string[]
}

export interface StartLoginDeps {
  readonly flows: Pick<LoginFlowStore, 'saveFlow' | 'findFlow' | 'consumeFlow'>
  readonly clock: Clock
  readonly authorizationServer: Pick<AuthorizationServer, 'authorizationUrl'>
  readonly settings: SignInSettings
}

interface StartInput {
  /** Already judged by `parseReturnTo`. */
  readonly returnTo: string
  readonly cookieHeader: string | undefined
}

/** A login by the marketplace's page, which finds out the tenant by itself and knows no `state` (`login.md` §1.1). */
export async function startUnifiedLogin (deps: StartLoginDeps, input: StartInput): Promise<StartedLogin> {
  const started = await saveFlow(deps, { kind: 'unified', returnTo: input.returnTo }, input.cookieHeader)
  return { ...started, location: unifiedLoginLocation(deps.settings) }
}

/** Our own authorization request at a known tenant's server, with `state` (RFC 6749 §4.1.1). */
export async function startAuthorizeLogin (
  deps: StartLoginDeps, input: StartInput & { tenantId: TenantId, client: Client },
): Promise<StartedLogin> {
  const { tenantId, client, returnTo, cookieHeader } = input
  // 256 random bits in base64url are a verifier, and their SHA-256 in base64url its challenge (RFC 7636 §4.1, §4.2).
  const pkce = deps.settings.pkce === 'off' ? {} : { codeVerifier: createRandomId() }
  const started = await saveFlow(deps, { kind: 'authorize', tenantId, returnTo, ...pkce }, cookieHeader)
  const location = deps.authorizationServer.authorizationUrl(client, {
    redirectUri: callbackUrl(deps.settings),
    state: stateOf(started.cookie.value),
    ...(pkce.codeVerifier === undefined ? {} : { codeChallenge: sha256(pkce.codeVerifier) }),
  })
  return { ...started, location }
}

type NewFlow = Pick<LoginFlow, 'kind' | 'returnTo' | 'tenantId' | 'codeVerifier'>

async function saveFlow (deps: StartLoginDeps, flow: NewFlow, cookieHeader: string | undefined): Promise<Omit<StartedLogin, 'location'>> {
  const { flows, clock, settings } = deps
  const now = clock.now()
  const held = await readHeldFlows(flows, cookieHeader, now)
  const live = held.filter((one) => one.flow !== undefined)
  const displaced = live.slice(mostFlows - 1)
  for (const { secret } of displaced) await flows.consumeFlow(flowRefOf(secret))

  const secret = createRandomId()
  const expiresAt = now + flowLifetimeSeconds * 1000
  await flows.saveFlow({ ...flow, ref: flowRefOf(secret), appId: settings.appId, startedAt: now, expiresAt })
  return {
    cookie: { name: `${cookieNames.flowPrefix}${createRandomId().slice(0, 8)}`, value: secret },
    spentCookies: [...held.filter((one) => one.flow === undefined), ...displaced].map(({ cookieName }) => cookieName),
  }
}
