import { createRandomId } from '../base/random-id.ts'
import type { Clock } from '../base/clock.ts'
import type { Enterprise, MarketplaceState, Member } from './marketplace-state.ts'

const ssoLifeMilliseconds = 8 * 3_600_000

export type SignOnRefusal = 'account-malformed' | 'enterprise-unknown' | 'not-bound' | 'password-wrong' | 'member-disabled'

export type SignOn =
  | { readonly kind: 'signed-on', readonly enterprise: Enterprise, readonly member: Member }
  | { readonly kind: 'refused', readonly reason: SignOnRefusal }

/** What the login pages say; the real one speaks Chinese. */
export const signOnMessages: Record<SignOnRefusal, string> = {
  'account-malformed': '请输入“账户@企业代码” · Enter the account as account@enterprise',
  'enterprise-unknown': '企业不存在 · There is no such enterprise',
  'not-bound': '该企业未绑定此应用 · This enterprise has not bound the application',
  'password-wrong': '账号或密码错误 · Wrong account or password',
  'member-disabled': '账号已被禁用，请联系企业管理员 · The account is disabled, ask your administrator',
}

/**
 * Judges an account and password. A member whom the enterprise never authorised for the application gets through: what the real
 * page answers is unknown, and so the application's own refusal is seen (login.md §8).
 */
export function checkPassword (state: MarketplaceState, account: string, password: string): SignOn {
  const at = account.lastIndexOf('@')
  if (at < 1 || at === account.length - 1) return { kind: 'refused', reason: 'account-malformed' }
  const enterprise = state.enterprises.get(account.slice(at + 1))
  if (enterprise === undefined) return { kind: 'refused', reason: 'enterprise-unknown' }
  const member = enterprise.members.get(account.slice(0, at))
  if (member?.password !== password) return { kind: 'refused', reason: 'password-wrong' }
  return admit(enterprise, member)
}

/** The member behind an SSO cookie's value at this enterprise; `undefined` if there is no such session any more. */
export function findSsoMember (state: MarketplaceState, clock: Clock, enterprise: Enterprise, ssoId: string): Member | undefined {
  const session = state.ssoSessions.get(ssoId)
  if (session === undefined || session.expiresAt <= clock.now() || session.tenantCode !== enterprise.code) return undefined
  return enterprise.members.get(session.userName)
}

export function continueAs (state: MarketplaceState, clock: Clock, enterprise: Enterprise, ssoId: string): SignOn | undefined {
  const member = findSsoMember(state, clock, enterprise, ssoId)
  return member === undefined ? undefined : admit(enterprise, member)
}

/** Starts an SSO session and returns the cookie's value. */
export function startSso (state: MarketplaceState, clock: Clock, enterprise: Enterprise, member: Member): string {
  const ssoId = createRandomId()
  state.ssoSessions.set(ssoId, { tenantCode: enterprise.code, userName: member.userName, expiresAt: clock.now() + ssoLifeMilliseconds })
  return ssoId
}

function admit (enterprise: Enterprise, member: Member): SignOn {
  if (!member.isEnabled) return { kind: 'refused', reason: 'member-disabled' }
  if (enterprise.client === undefined) return { kind: 'refused', reason: 'not-bound' }
  return { kind: 'signed-on', enterprise, member }
}
