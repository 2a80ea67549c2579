import t from 'tap'
import { request } from 'undici'
import { freePort, openTestGateway } from '../support/build-gateway.ts'
import { foreignRoutes, openForeignProvider, type ForeignProvider } from '../support/foreign-provider.ts'
import { Traveller } from '../support/journey.ts'

const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
const clientId = 'client-1'
/** With all that form and Basic encoding could spoil (RFC 6749 §2.3.1). */
const clientSecret = 'Secret+ /%:&=?~"\\1234567890'

interface Test { teardown (closer: () => unknown): void }

/** A gateway whose tenant signs in at `oidc-provider`, and a browser. */
async function openWorld (t: Test, clientAuthentication: 'body' | 'basic', env: Record<string, string> = {}) {
  const port = await freePort()
  const callback = `http://127.0.0.1:${port}/_gate/callback`
  const authentication = clientAuthentication === 'body' ? 'client_secret_post' : 'client_secret_basic'
  const provider = await openForeignProvider({ clientId, clientSecret, authentication, redirectUri: callback },
    (userName) => ({ userName, name: '李华', tenant: tenantId }))
  t.teardown(() => { provider.close() })
  const gateway = await openTestGateway(t, {
    port,
    authorizationServerTimeoutSeconds: 10,
    env: {
      JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart',
      JOINTGATE_SIGN_IN_SCOPE: 'openid offline_access',
      JOINTGATE_SIGN_IN_CLIENT_AUTHENTICATION: clientAuthentication,
      // So that only the tokens can end the session.
      JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '86400',
      JOINTGATE_SESSION_ABSOLUTE_TIMEOUT_SECONDS: '86400',
      ...env,
    },
  })
  await gateway.bind({ tenantId, domainName: provider.url, clientId, clientSecret, accounts: [{ userName: 'lihua', name: '李华' }] })
  return { gateway, provider, callback, traveller: new Traveller('lihua') }
}

type World = Awaited<ReturnType<typeof openWorld>>

/** As the marketplace's workbench does it: a request of its own without `state`, the tenant glued on to the answer (login.md §1.10). */
async function arriveFromWorkbench ({ provider, callback, traveller }: World): Promise<string> {
  const query = new URLSearchParams({ client_id: clientId, redirect_uri: callback, response_type: 'code', scope: 'openid' })
  const { hops } = await traveller.go(`${provider.url}${foreignRoutes.authorization}?${query}`, (url) => url.href.startsWith(callback))
  return `${hops.at(-1)?.href}&tenant=${tenantId}`
}

const countOf = (provider: ForeignProvider, path: string) => provider.answers.filter((answer) => answer.path === path).length

t.test('with PKCE the provider takes the verifier, and nobody without it gets anything for the code (C-3, RFC 7636 §4.6)', async (t) => {
  const world = await openWorld(t, 'body', { JOINTGATE_SIGN_IN_PKCE: 'S256' })
  const { gateway, provider, callback, traveller } = world
  const { hops, answer } = await traveller.go(await arriveFromWorkbench(world))
  t.match(Object.fromEntries(hops[1]?.searchParams ?? []), { code_challenge: /^[\w-]{43}$/, code_challenge_method: 'S256' })
  t.equal(answer.body, 'the application')
  t.same(provider.answers.slice(-2), [{ path: foreignRoutes.token, status: 200 }, { path: foreignRoutes.userinfo, status: 200 }])

  const restarted = await traveller.go(await arriveFromWorkbench(world), (url) => url.searchParams.has('state') && url.href.startsWith(callback))
  const stolen = restarted.hops.at(-1)?.searchParams.get('code') ?? 'none'
  t.match(await sendCode(provider, 'body', callback, stolen), { status: 400, body: { error: 'invalid_grant' } })
  t.notOk(gateway.logLines.some((line) => line.includes(stolen)))
})

for (const clientAuthentication of ['body', 'basic'] as const) {
  t.test(`a foreign authorization server signs in, renews and withdraws, with client credentials by ${clientAuthentication}`, async (t) => {
    const world = await openWorld(t, clientAuthentication)
    const { gateway, provider, callback, traveller } = world

    const arrival = await arriveFromWorkbench(world)
    t.ok(provider.answers.some(({ path }) => path.startsWith('/interaction/')), 'the provider has asked who it is')
    t.equal(new URL(arrival).searchParams.get('state'), null)
    const interactions = provider.answers.filter(({ path }) => path.startsWith('/interaction/')).length

    const { hops, answer } = await traveller.go(arrival)
    t.same(hops.map(({ origin, pathname }) => `${origin}${pathname}`),
      [callback, `${provider.url}${foreignRoutes.authorization}`, callback, `${gateway.url}/`],
      'the code from nowhere is dropped, an own request goes out, its answer signs in')
    const [, asked, answered] = hops.map(({ searchParams }) => searchParams)
    t.match(asked?.get('state'), /^[0-9a-f]{64}$/)
    t.equal(asked?.get('code_challenge'), null, 'the marketplace knows no PKCE')
    t.equal(answered?.get('state'), asked?.get('state'), 'our state comes back (T-11)')
    t.equal(answered?.get('iss'), provider.url, 'the answer names its issuer (RFC 9207)')
    t.equal(answered?.get('tenant'), null, 'the tenant comes from our flow')
    t.not(answered?.get('code'), new URL(arrival).searchParams.get('code'))
    t.equal(provider.answers.filter(({ path }) => path.startsWith('/interaction/')).length, interactions, 'nobody is asked twice')
    t.same(provider.answers.slice(-2), [{ path: foreignRoutes.token, status: 200 }, { path: foreignRoutes.userinfo, status: 200 }])
    t.equal(countOf(provider, foreignRoutes.token), 1, 'the dropped code was never sent')
    t.equal(answer.body, 'the application')
    t.equal(gateway.upstream.requests.at(-1)?.headers['x-identity-user'], 'lihua')
    t.equal(gateway.upstream.requests.at(-1)?.headers['x-identity-tenant'], tenantId)

    const browser = traveller.at(gateway.url)
    const visit = async () => (await browser.open('/')).status

    // Near the token's end: beside the request.
    const renewed = provider.nextAnswer(foreignRoutes.userinfo)
    gateway.clock.advance(7_000_000)
    t.equal(await visit(), 200)
    await renewed
    t.equal(countOf(provider, foreignRoutes.token), 2)
    // Beyond end and grace: before the request. It works only with the token that the first renewal brought.
    const again = provider.nextAnswer(foreignRoutes.userinfo)
    gateway.clock.advance(9_000_000)
    t.equal(await visit(), 200)
    await again
    t.equal(countOf(provider, foreignRoutes.token), 3)
    t.ok(provider.answers.every(({ status }) => status < 400), 'the provider never had a complaint')

    // The Back button: the same callback again.
    const replay = await browser.open(hops[2]?.href ?? '')
    t.equal(replay.status, 403)
    t.match(replay.body, 'flow-unknown')
    // The spent code once more, into a login that this browser did start.
    await browser.submit('/_gate/sign-in', { return_to: '/' })
    const spent = await browser.open(`/_gate/callback?code=${answered?.get('code')}&tenant=${tenantId}`)
    t.match(spent.location, foreignRoutes.authorization, 'dropped again, since it brought no state of ours')
    t.equal(countOf(provider, foreignRoutes.token), 3, 'a spent code is never sent again (C-7)')
    t.equal(await visit(), 200, 'and so the grant lives')

    // Somebody else sends it: the provider takes the whole grant back (RFC 6749 §4.1.2), which the next renewal finds.
    const stolen = await sendCode(provider, clientAuthentication, callback, answered?.get('code') ?? '')
    t.match(stolen, { status: 400, body: { error: 'invalid_grant' } })
    gateway.clock.advance(9_000_000)
    const ended = await browser.open('/')
    t.equal(ended.status, 303)
    t.match(ended.location, /^\/_gate\/sign-in\?/)
    t.notOk(gateway.logLines.some((line) => line.includes(answered?.get('code') ?? 'no code') || line.includes('1234567890')), 'neither code nor secret is in the log')
  })
}

async function sendCode (provider: ForeignProvider, clientAuthentication: 'body' | 'basic', callback: string, code: string) {
  const form = { grant_type: 'authorization_code', code, redirect_uri: callback }
  const formEncoded = (text: string) => new URLSearchParams({ text }).toString().slice('text='.length)
  const basic = Buffer.from(`${clientId}:${formEncoded(clientSecret)}`).toString('base64')
  const { statusCode, body } = await request(`${provider.url}${foreignRoutes.token}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(clientAuthentication === 'basic' ? { authorization: `Basic ${basic}` } : {}),
    },
    body: new URLSearchParams({ ...form, ...(clientAuthentication === 'body' ? { client_id: clientId, client_secret: clientSecret } : {}) }).toString(),
  })
  return { status: statusCode, body: await body.json() }
}
