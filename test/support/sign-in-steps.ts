import { Browser, type Answer } from './browser.ts'
import type { TestGateway } from './build-gateway.ts'
import type { FakeAuthorizationServer } from './fake-authorization-server.ts'

export const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
export const otherTenantId = 'ffffffffbc2018ab880d92f36422fa0e'
export const sessionCookie = '__Host-jointgate'
export const confirmCookie = '__Host-jointgate-confirm'
export const roundsCookie = '__Host-jointgate-starts'

/** Headers of a request that another site made the browser send. */
export const fromAnotherSite = { 'sec-fetch-site': 'cross-site' }

type Query = Readonly<Record<string, string>>

export function callbackPath (parameters: Query): string {
  return `/_gate/callback?${new URLSearchParams(parameters).toString()}`
}

/** The button of our own sign-in page. */
export function pressButton (browser: Browser, returnTo = '/'): Promise<Answer> {
  return browser.submit('/_gate/sign-in', { return_to: returnTo })
}

/** The marketplace sends the browser back: from another site, as a page view. */
export function comeBack (browser: Browser, parameters: Query, headers: Record<string, string> = {}): Promise<Answer> {
  return browser.open(callbackPath(parameters), { headers: { ...fromAnotherSite, ...headers } })
}

interface Person { readonly userName: string, readonly tenant?: string }

/** The whole way in by the button; throws if it leads anywhere else. */
export async function signIn (browser: Browser, server: FakeAuthorizationServer, person: Person, returnTo = '/'): Promise<Answer> {
  await pressButton(browser, returnTo)
  const answer = await comeBack(browser, { code: server.issueCode({ ...person }), tenant: person.tenant ?? tenantId })
  if (answer.status !== 303 || answer.location !== returnTo) throw new Error(`not signed in: ${answer.status} ${answer.location} ${answer.body}`)
  return answer
}

/** Who the gateway says that this browser is, `undefined` for nobody. */
export async function whoIsIn (browser: Browser): Promise<string | undefined> {
  const answer = await browser.fetch('/_gate/session')
  return answer.status === 200 ? (JSON.parse(answer.body) as { user: string }).user : undefined
}

export function flowCookies (browser: Browser): string[] {
  return [...browser.cookies.keys()].filter((name) => name.startsWith('__Host-jointgate-flow-'))
}

export interface Told { readonly reason: string | undefined, readonly supportCode: string | undefined }

/** What a refusal's page or problem body says to the person who asks for support. */
export function readRefusal ({ body, headers }: Answer): Told {
  if (String(headers['content-type']).startsWith('application/problem+json')) {
    const { reason, supportCode } = JSON.parse(body) as { reason?: string, supportCode?: string }
    return { reason, supportCode }
  }
  const supportCode = /<code class="support-code">([\w-]+)<\/code>/.exec(body)?.[1]
  const reason = /<dd><code>([\w-]+)<\/code><\/dd>/.exec(body)?.[1]
  return { reason, supportCode }
}

export interface LogLine { readonly event?: string, readonly [member: string]: unknown }

export function readLog ({ logLines }: Pick<TestGateway, 'logLines'>, event?: string): LogLine[] {
  const lines = logLines.map((line) => JSON.parse(line) as LogLine)
  return event === undefined ? lines : lines.filter((line) => line.event === event)
}

/** Keeps every answer that it got, to be searched for what must not be in any. */
export class WitnessBrowser extends Browser {
  readonly answers: Answer[] = []

  override async open (...visit: Parameters<Browser['open']>): Promise<Answer> {
    const answer = await super.open(...visit)
    this.answers.push(answer)
    return answer
  }
}

/** Every `Set-Cookie` line of an answer. */
export function setCookies ({ headers }: Answer): string[] {
  return [headers['set-cookie'] ?? []].flat()
}
