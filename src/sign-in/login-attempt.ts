import type { ContractRules } from '../directory/contract.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { AccessView } from '../directory/access-view.ts'
import type { Principal, PushVersion, TenantId } from '../directory/model.ts'
import type { RefusalReason } from '../directory/refusal.ts'
import type { LoginFlow, LoginFlowStore } from '../session/login-flow.ts'
import type { TokenSet } from '../session/session.ts'
import type { FailureDetail } from './authorization-server-failure.ts'
import type { AuthorizationServer, Client } from './authorization-server.ts'
import type { HeldFlow } from './flow-cookies.ts'
import type { StartedLogin, StartLoginDeps } from './start-login.ts'
import type { Userinfo } from './userinfo.ts'

/** What the browser brought to the callback. */
export interface CallbackRequest {
  /** The parsed query; a repeated parameter is an array. */
  readonly query: unknown
  readonly cookieHeader: string | undefined
}

/** A login on its way through the table of checks; each check adds what it found out. */
export interface LoginAttempt extends CallbackRequest {
  readonly code?: string
  readonly state?: string
  readonly issuer?: string
  /** As the callback says, unsigned: good for a look-up, never for trust (T-43). */
  readonly claimedTenantId?: TenantId
  readonly heldFlows?: readonly HeldFlow[]
  /** Absent for a login that this browser did not start. */
  readonly held?: HeldFlow & { readonly flow: LoginFlow }
  /** Our own request at this tenant's server, begun a while ago, that has not come back. */
  readonly lostRestart?: LoginFlow
  readonly tenantId?: TenantId
  readonly view?: AccessView
  readonly client?: Client
  readonly tokens?: TokenSet
  readonly userinfo?: Userinfo
  readonly principal?: Principal
  readonly knownLoss?: PushVersion | ''
  /** Several purchases are open to the account. */
  readonly mustChoose?: boolean
}

export interface LoginRefusal {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  /** As `decideAccess` says. */
  readonly isRenewable?: true
  /** For the log line only. */
  readonly detail?: FailureDetail
}

export type CheckResult =
  | { readonly kind: 'passed', readonly found: Partial<LoginAttempt> }
  | { readonly kind: 'restart', readonly started: StartedLogin }
  | LoginRefusal

export interface CheckDeps extends StartLoginDeps {
  readonly flows: LoginFlowStore
  readonly directory: Pick<DirectoryStore, 'viewTenant' | 'viewAccess'>
  readonly authorizationServer: AuthorizationServer
  readonly contract: ContractRules
}

export type Check = (attempt: LoginAttempt, deps: CheckDeps) => Promise<CheckResult>

export const passed = (found: Partial<LoginAttempt> = {}): CheckResult => ({ kind: 'passed', found })

export const refused = (reason: RefusalReason, detail?: FailureDetail): LoginRefusal =>
  ({ kind: 'refused', reason, ...(detail === undefined ? {} : { detail }) })

/** What an earlier check of the table has found. Its absence is a table in the wrong order, not a visitor's fault. */
export function found<Name extends keyof LoginAttempt> (attempt: LoginAttempt, name: Name): NonNullable<LoginAttempt[Name]> {
  const value = attempt[name]
  if (value === undefined || value === null) throw new TypeError(`a login check ran before the one that finds "${name}"`)
  return value
}
