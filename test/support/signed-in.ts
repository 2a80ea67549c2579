import { sha256 } from '../../src/base/digest.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import type { Answer, Browser } from './browser.ts'
import type { TestGateway } from './build-gateway.ts'
import { openFakeAuthorizationServer, type FakeAuthorizationServer } from './fake-authorization-server.ts'

export const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
export const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }

/** A tenant whose authorization server is a fake, and in which `lihua` may enter. */
export async function bindTenant (t: { teardown (closer: () => unknown): void }, gateway: TestGateway): Promise<FakeAuthorizationServer> {
  const server = await openFakeAuthorizationServer(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '李华' }] })
  return server
}

/** The way of a person who presses the button and comes back with a code; the answer to the callback. */
export async function comeBack (browser: Browser, code: string, returnTo = '/'): Promise<Answer> {
  await browser.submit('/_gate/sign-in', { return_to: returnTo })
  return await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`, { headers: { 'sec-fetch-site': 'cross-site' } })
}

/** A new browser in which `lihua` is signed in. */
export async function signIn (gateway: Pick<TestGateway, 'browser'>, server: FakeAuthorizationServer): Promise<Browser> {
  const browser = gateway.browser()
  const answer = await comeBack(browser, server.issueCode(lihua))
  if (answer.status !== 303 || !browser.cookies.has(cookieNames.session)) throw new Error(`not signed in: ${answer.status} ${answer.body}`)
  return browser
}

/** What the store holds of the browser's session. */
export async function storedSession (gateway: Pick<TestGateway, 'storage'>, cookieHeader: string): Promise<Session | undefined> {
  const id = cookieHeader.split('; ').find((pair) => pair.startsWith(`${cookieNames.session}=`))?.split('=')[1] ?? ''
  return await gateway.storage.sessions.find(sha256(id) as SessionRef)
}

/** Waits for what happens beside a request; rejects when it hasn't happened after five seconds, or as long as it may take. */
export async function until (isSo: () => boolean | Promise<boolean>, mostMs = 5_000): Promise<void> {
  const deadline = Date.now() + mostMs
  while (!await isSo()) {
    if (Date.now() > deadline) throw new Error(`has not happened: ${isSo.toString()}`)
    await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
}
