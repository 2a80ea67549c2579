import type { ClientAddressOf } from '../base/client-address.ts'
import { codeOf } from '../base/coded-errors.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { scheduleByTimer } from '../base/schedule.ts'
import type { ContractRules } from '../directory/contract.ts'
import { createAuthenticator, type Authenticate, type Recheck } from '../session/authenticate.ts'
import { createRenewal } from '../session/renew-session.ts'
import { shortRef, type Session } from '../session/session.ts'
import type { StartLimits } from '../session/start-session.ts'
import type { Storage } from '../storage/storage.ts'
import type { WriteLog } from '../telemetry/early-log.ts'
import { sessionLine } from '../telemetry/session-line.ts'
import type { AccountRoutesOptions } from './account-routes.ts'
import type { AnswerRefusalDeps } from './answer-refusal.ts'
import { createAuthorizationServer, type AuthorizationServerOptions } from './authorization-server.ts'
import type { BackchannelLogoutOptions } from './backchannel-logout-routes.ts'
import type { CallbackRoutesOptions } from './callback-routes.ts'
import type { ChooseRoutesOptions } from './choose-routes.ts'
import type { ConfirmRoutesOptions } from './confirm-routes.ts'
import type { LimitSignInOptions } from './limit-sign-in.ts'
import { openOutbound, type OutboundOptions } from './outbound-fetch.ts'
import { isStillKnown, renewTokens } from './renew-tokens.ts'
import type { SessionRoutesOptions } from './session-routes.ts'
import type { SignInSettings } from './settings.ts'
import type { StartRoutesOptions } from './start-routes.ts'
import { wireBackchannelLogout, type BackchannelLogoutParts } from './wire-backchannel-logout.ts'

export interface SignInParts extends AnswerRefusalDeps, Pick<OutboundOptions, 'timeoutSeconds' | 'tenantDomains' | 'dangerouslyAllowHttp'> {
  readonly storage: Pick<Storage, 'directory' | 'listing' | 'sessions' | 'flows' | 'changes'>
  readonly settings: SignInSettings & Pick<AuthorizationServerOptions, 'scope' | 'clientAuthentication'>
  readonly limits: StartLimits
  readonly contract: ContractRules
  readonly rateLimiter: RateLimiter
  readonly clientAddressOf: ClientAddressOf
  /** In a minute. */
  readonly rateLimits: Readonly<Record<'signInPerAddress' | 'signInPerTenant' | 'backchannelLogoutPerAddress', number>>
  readonly backchannelLogout: Pick<BackchannelLogoutParts, 'jwksPath' | 'issuerPath' | 'userNameClaim' | 'secret'>
  readonly log: WriteLog
}

/** What the routes of the way in and out need, each group by its name. */
export interface SignInRoutesOptions {
  readonly signIn: StartRoutesOptions & CallbackRoutesOptions & ConfirmRoutesOptions
  readonly choose: ChooseRoutesOptions
  readonly session: SessionRoutesOptions & AccountRoutesOptions
  readonly signInLimits: LimitSignInOptions
  readonly backchannelLogout: BackchannelLogoutOptions
}

export interface WiredSignIn {
  readonly routes: SignInRoutesOptions
  /** Who a request is of, for everything else that asks. */
  readonly authenticate: Authenticate
  readonly recheck: Recheck
  /** Lets renewals under way end, then hangs up. */
  close (): Promise<void>
}

/** Wires the calls to authorization servers, sessions with their renewal, and the pages of the way in and out. */
export function wireSignIn (parts: SignInParts): WiredSignIn {
  const { storage, settings, limits, contract, rateLimits, timeoutSeconds, tenantDomains, dangerouslyAllowHttp, log } = parts
  const { directory, sessions, flows, changes } = storage
  const { clock, pages, ownPrefix, renewUrl, rateLimiter, clientAddressOf } = parts
  const outbound = openOutbound({ timeoutSeconds, tenantDomains, dangerouslyAllowHttp })
  const authorizationServer = createAuthorizationServer({
    outbound,
    clock,
    timeoutSeconds,
    dangerouslyAllowHttp,
    scope: settings.scope,
    clientAuthentication: settings.clientAuthentication,
  })

  const renewal = createRenewal({
    sessions,
    changes,
    clock,
    schedule: scheduleByTimer,
    limits,
    callTimeoutSeconds: timeoutSeconds,
    log,
    askForTokens: (session) => renewTokens({ directory, authorizationServer }, session),
    isStillKnown: (session, tokens) => isStillKnown({ directory, authorizationServer }, session, tokens),
  })
  const { authenticate, recheck } = createAuthenticator({
    sessions,
    directory,
    clock,
    limits,
    contract,
    renewal,
    onBackgroundFault: (err, ref) => {
      // Nobody lacks it, and it would be a line for each request until the gateway is started on the new store.
      if (codeOf(err) === 'GW_STORAGE_MOVED') return
      log('error', { event: 'session.background-fault', sessionRef: shortRef(ref), err }, 'background work failed')
    },
  })
  const onDisplaced = (session: Session): void => {
    log('info', sessionLine('session.displaced', session), 'a session made room for a new one')
  }

  const refusal = { pages, clock, ownPrefix, renewUrl }
  const counting = { rateLimiter, clientAddressOf }
  const judging = { flows, sessions, directory, limits, settings, contract }
  const shared = { ...refusal, ...judging, onDisplaced, authorizationServer, authenticate, renewal }
  return {
    routes: {
      signIn: shared,
      choose: shared,
      session: shared,
      signInLimits: { ...refusal, ...counting, perAddress: rateLimits.signInPerAddress, perTenant: rateLimits.signInPerTenant },
      backchannelLogout: wireBackchannelLogout({
        ...storage,
        ...parts.backchannelLogout,
        ...counting,
        outbound,
        clock,
        appId: settings.appId,
        perAddress: rateLimits.backchannelLogoutPerAddress,
      }),
    },
    authenticate,
    recheck,
    async close () {
      await renewal.close()
      await outbound.close()
    },
  }
}
