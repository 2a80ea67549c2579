import { sha256 } from '../base/digest.ts'
import { cookieNames, cookieValues, ownCookieNames } from '../session/cookies.ts'
import type { FlowRef, LoginFlow, LoginFlowStore } from '../session/login-flow.ts'

/** Tabs in which a login may be pending at once; the oldest gives way (T-25). */
export const mostFlows = 5
const mostCookiesRead = 20

/** What a browser holds of one pending login. */
export interface HeldFlow {
  readonly cookieName: string
  /** The cookie's value: only this browser has it. */
  readonly secret: string
  /** `undefined` if it was used, has expired or never was. */
  readonly flow: LoginFlow | undefined
}

/** The flows of this browser, the newest first. */
export async function readHeldFlows (flows: Pick<LoginFlowStore, 'findFlow'>, cookieHeader: string | undefined, now: number): Promise<HeldFlow[]> {
  const names = ownCookieNames(cookieHeader).filter((name) => name.startsWith(cookieNames.flowPrefix)).slice(0, mostCookiesRead)
  const held = await Promise.all(names.map(async (cookieName): Promise<HeldFlow> => {
    const [secret = '', ...others] = cookieValues(cookieHeader, cookieName)
    const flow = others.length === 0 ? await flows.findFlow(flowRefOf(secret)) : undefined
    return { cookieName, secret, flow: flow !== undefined && now < flow.expiresAt ? flow : undefined }
  }))
  return held.sort((a, b) => (b.flow?.startedAt ?? 0) - (a.flow?.startedAt ?? 0))
}

export function flowRefOf (secret: string): FlowRef {
  return sha256(secret) as FlowRef
}

/**
 * The `state` of the flow whose secret a browser holds: letters and digits, as the marketplace wants it (`login.md` §1.2). It is
 * derived, so a state seen in an address doesn't give the cookie.
 */
export function stateOf (secret: string): string {
  return Buffer.from(sha256(`state:${secret}`), 'base64url').toString('hex')
}
