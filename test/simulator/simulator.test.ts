import Fastify from 'fastify'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import type { Principal } from '../../src/directory/model.ts'
import { signAssertion } from '../../src/forward/assertion.ts'
import { createSampleApplication } from '../../src/simulator/sample-application.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { appId, base64Hmac, buildSimulator, expectedSign, openClientSecret, urlOf, type ReceivedPush } from '../support/simulator.ts'

const sunrise = { name: '晨曦科技 Sunrise', code: 'sunrise' }
const lihua = { userName: 'lihua', name: '李华', role: 'admin', departmentCode: '10002', password: 'lihua-2025' } as const

async function buildSeeded (t: Parameters<typeof buildSimulator>[0]) {
  const rig = await buildSimulator(t)
  await rig.marketplace.bind(sunrise)
  rig.marketplace.addMember('sunrise', lihua)
  await rig.marketplace.grant('sunrise', 'lihua')
  const enterprise = rig.marketplace.state.enterprises.get('sunrise')
  if (enterprise?.client === undefined) throw new Error('not bound')
  const { clientId, clientSecret } = enterprise.client
  const call = (form: Record<string, string>) => rig.app.inject({
    method: 'POST',
    url: '/as/sunrise/api/v1/oauth2/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...form }).toString(),
  })
  const newCode = () => new URL(rig.marketplace.login('lihua@sunrise', lihua.password)).searchParams.get('code') ?? ''
  const redeem = (form: Record<string, string>) => call({ grant_type: 'authorization_code', ...form })
  const refresh = (token: string, form: Record<string, string> = {}) => call({ grant_type: 'refresh_token', refresh_token: token, ...form })
  const authorize = (query: Record<string, string>, cookies: Record<string, string> = {}) => rig.app.inject({
    url: '/as/sunrise/api/v1/oauth2/authorize',
    query: { client_id: clientId, redirect_uri: rig.callbackUrl, response_type: 'code', ...query },
    cookies,
  })
  return { ...rig, enterprise, clientId, clientSecret, newCode, call, redeem, refresh, authorize }
}

const cookiesOf = (response: { cookies: { name: string, value: string }[] }) =>
  Object.fromEntries(response.cookies.map(({ name, value }) => [name, value]))

const kitOf = (received: readonly ReceivedPush[]) => received.filter(({ path }) => path.includes('/produceAPI/'))

const flagsOf = (received: readonly ReceivedPush[]) => received.map(({ path, body }) => `${path.split('/').at(-1)} ${body['flag']}`)

t.test('pushes', async (t) => {
  t.test('a binding is a tenantSync, an applicationSync and an allOrgSync whose signatures and secret any receiver can check', async (t) => {
    const { marketplace, received, url } = await buildSimulator(t)
    const answers = await marketplace.bind(sunrise)
    const pushes = kitOf(received)
    t.strictSame(pushes.map(({ path }) => path), [
      '/_gate/marketplace/produceAPI/v2/tenantSync',
      '/_gate/marketplace/produceAPI/v2/applicationSync',
      '/_gate/marketplace/produceAPI/v2/allOrgSync',
    ])
    for (const push of pushes) {
      t.equal(push.headers['x-sign']?.toUpperCase(), expectedSign(push))
      t.match(push.headers['x-timestamp'], /^\d{13}$/)
      t.match(push.headers['x-nonce'], /^[0-9a-zA-Z]{32}$/)
      t.equal(push.body['testFlag'], 0)
      t.match(push.body['timeStamp'], /^20250101080000\d{3}$/, 'in UTC+8')
    }
    const [tenant, application] = pushes.map(({ body }) => body)
    t.match(tenant, { tenantCode: 'sunrise', name: sunrise.name, domainName: `${url}/as/sunrise`, flag: 1, tenantId: /^[0-9a-f]{32}$/ })
    t.match(application, { appId, tenantId: tenant?.['tenantId'], instanceId: tenant?.['instanceId'], flag: 1 })
    const client = marketplace.state.enterprises.get('sunrise')?.client
    t.equal(application?.['clientId'], client?.clientId)
    t.equal(openClientSecret(application?.['clientSecret']), client?.clientSecret)
    t.strictSame(answers.map(({ isSuccess, bodySign }) => [isSuccess, bodySign]), Array(5).fill([true, 'verified']))
  })

  t.test('times grow with each push, also while the clock stands still', async (t) => {
    const { received, marketplace } = await buildSeeded(t)
    await marketplace.revoke('sunrise', 'lihua')
    const times = kitOf(received).map(({ body }) => String(body['timeStamp']))
    t.strictSame(times, [...new Set(times)].sort())
  })

  t.test('binding anew makes another client for the same tenant', async (t) => {
    const { received, marketplace } = await buildSeeded(t)
    await marketplace.unbind('sunrise')
    await marketplace.bind(sunrise)
    const applications = received.filter(({ path }) => path.endsWith('applicationSync')).map(({ body }) => body)
    t.equal(applications[0]?.['tenantId'], applications[1]?.['tenantId'])
    t.not(applications[0]?.['clientId'], applications[1]?.['clientId'])
  })

  t.test('an answer counts as the marketplace counts it', async (t) => {
    const { answer, marketplace } = await buildSeeded(t)
    const push = async () => (await marketplace.grant('sunrise', 'lihua'))[0]
    answer.headerName = 'body-sign'
    t.match(await push(), { isSuccess: true, bodySign: 'missing' }, 'the header is compared with its case')
    answer.headerName = 'Body-Sign'
    answer.signature = (text) => base64Hmac(text + ' ')
    t.match(await push(), { isSuccess: true, bodySign: 'wrong' })
    answer.signature = base64Hmac
    answer.status = 500
    t.match(await push(), { isSuccess: false, httpStatus: 500, bodySign: 'verified' })
    answer.status = 200
    answer.text = '{"resultCode":"000001","resultMsg":"no"}'
    t.match(await push(), { isSuccess: false, resultCode: '000001' })
    answer.text = '<html>'
    t.match(await push(), { isSuccess: false, resultMsg: 'cannot parse the response body' })
  })

  t.test('a gateway that is not there is an answer too', async (t) => {
    const { marketplace, received, stopGateway } = await buildSimulator(t)
    await stopGateway()
    t.match(await marketplace.bind(sunrise), [{ name: 'newInstance', httpStatus: 0, failureCode: /./, isSuccess: false }])
    t.equal(received.length, 0)
  })

  t.test('nothing is sent of a member without a grant, except that he leaves', async (t) => {
    const { marketplace, received } = await buildSimulator(t)
    await marketplace.bind(sunrise)
    received.length = 0
    marketplace.addMember('sunrise', lihua)
    await marketplace.change('sunrise', 'lihua', { isEnabled: false })
    t.equal(received.length, 0)
    await marketplace.remove('sunrise', 'lihua')
    t.strictSame(flagsOf(received), ['authSync 0'])
  })
})

t.test('token endpoint', async (t) => {
  t.test('redeems a code of the unified login once', async (t) => {
    const { newCode, redeem } = await buildSeeded(t)
    const code = newCode()
    const first = await redeem({ code })
    t.equal(first.statusCode, 200)
    t.equal(first.headers['cache-control'], 'no-store')
    t.match(first.json(), { token_type: 'Bearer', expires_in: 7200, scope: 'get_user_info', access_token: /./, refresh_token: /./ })
    const second = await redeem({ code })
    t.equal(second.statusCode, 400)
    t.strictSame(second.json(), { error: 'invalid_grant', error_description: 'Invalid authorization code' })
  })

  t.test('a failed exchange burns the code', async (t) => {
    const { newCode, redeem, callbackUrl } = await buildSeeded(t)
    const wrongs: [Record<string, string>, object][] = [
      [{ redirect_uri: callbackUrl + 'x' }, { error: 'invalid_grant', error_description: 'Redirect URI mismatch.' }],
      [{ client_id: 'another' }, { error: 'invalid_client', error_description: 'Client ID mismatch' }],
      [{ client_secret: 'wrong' }, { error: 'invalid_client', error_description: 'Bad client credentials' }],
    ]
    for (const [form, refusal] of wrongs) {
      const code = newCode()
      const failed = await redeem({ code, ...form })
      t.equal(failed.statusCode, 400)
      t.strictSame(failed.json(), refusal)
      t.match((await redeem({ code })).json(), { error: 'invalid_grant' })
    }
    t.equal((await redeem({ code: newCode(), redirect_uri: callbackUrl })).statusCode, 200)
  })

  t.test('a code lives a minute', async (t) => {
    const { newCode, redeem, clock } = await buildSeeded(t)
    const code = newCode()
    clock.advance(60_000)
    t.match((await redeem({ code })).json(), { error: 'invalid_grant' })
  })

  t.test('rotates the refresh token', async (t) => {
    const { newCode, redeem, refresh } = await buildSeeded(t)
    const first = (await redeem({ code: newCode() })).json()
    t.match((await refresh(first.refresh_token, { client_secret: 'wrong' })).json(), { error_description: 'Bad client credentials' })
    const second = (await refresh(first.refresh_token)).json()
    t.match(second, { expires_in: 7200, access_token: /./ })
    t.not(second.refresh_token, first.refresh_token)
    const again = await refresh(first.refresh_token)
    t.equal(again.statusCode, 400)
    t.strictSame(again.json(), { error: 'invalid_grant', error_description: 'Invalid refresh token' })
    t.equal((await refresh(second.refresh_token)).statusCode, 200)
  })

  t.test('renews nothing for a disabled member, nor after another client took the place of the old one', async (t) => {
    const { newCode, redeem, refresh, marketplace } = await buildSeeded(t)
    const { refresh_token: token } = (await redeem({ code: newCode() })).json()
    const { refresh_token: other } = (await redeem({ code: newCode() })).json()
    await marketplace.change('sunrise', 'lihua', { isEnabled: false })
    t.match((await refresh(token)).json(), { error_description: 'Invalid refresh token' })
    await marketplace.bind(sunrise)
    t.match((await refresh(other)).json(), { error_description: 'Bad client credentials' })
  })

  t.test('refuses other grants, other content and other enterprises', async (t) => {
    const { call, app, newCode, clientId, clientSecret, marketplace } = await buildSeeded(t)
    t.strictSame((await call({ grant_type: 'password' })).json(), { error: 'unsupported_grant_type', error_description: 'Unauthorized grant type: password' })
    const payload = { client_id: clientId, client_secret: clientSecret, grant_type: 'authorization_code', code: newCode() }
    await marketplace.bind({ name: '海蓝物流', code: 'bluesea' })
    for (const code of ['bluesea', 'nowhere']) {
      t.equal((await app.inject({ method: 'POST', url: `/as/${code}/api/v1/oauth2/token`, payload })).statusCode, 400)
    }
  })
})

t.test('userinfo', async (t) => {
  t.test('is a flat object of texts without sub', async (t) => {
    const { newCode, redeem, app, enterprise } = await buildSeeded(t)
    const { access_token: token } = (await redeem({ code: newCode() })).json()
    const answer = await app.inject({ url: '/as/sunrise/api/v1/oauth2/userinfo', headers: { authorization: `Bearer ${token}` } })
    t.match(answer.json(), {
      userName: 'lihua',
      name: '李华',
      role: 'admin',
      tenant: enterprise.tenantId,
      projectName: sunrise.name,
      organizationCode: '10002',
      organizationName: /研发部/,
    })
    t.notOk('sub' in answer.json())
    t.ok(Object.values(answer.json()).every((value) => typeof value === 'string'))
  })

  t.test('answers 401 without a living token', async (t) => {
    const { newCode, redeem, app, clock, marketplace } = await buildSeeded(t)
    const ask = (token: string, code = 'sunrise') =>
      app.inject({ url: `/as/${code}/api/v1/oauth2/userinfo`, headers: { authorization: `Bearer ${token}` } })
    const { access_token: token } = (await redeem({ code: newCode() })).json()
    t.equal((await ask(token)).statusCode, 200)
    const { access_token: late } = (await redeem({ code: newCode() })).json()
    await marketplace.bind({ name: '海蓝物流', code: 'bluesea' })
    marketplace.addMember('bluesea', lihua)
    const foreign = await ask(token, 'bluesea')
    t.equal(foreign.statusCode, 401)
    t.strictSame(foreign.json(), { error: 'unauthorized', error_description: 'Full authentication is required to access this resource' })
    await marketplace.remove('sunrise', 'lihua')
    t.equal((await ask(token)).statusCode, 401)
    clock.advance(7_200_000)
    t.equal((await ask(late)).statusCode, 401)
    t.equal((await app.inject('/as/sunrise/api/v1/oauth2/userinfo')).statusCode, 401)
  })
})

t.test('authorize', async (t) => {
  t.test('shows a form, signs on, and gives state back unchanged and no tenant', async (t) => {
    const { authorize, app, callbackUrl, redeem, clientId } = await buildSeeded(t)
    const form = await authorize({ state: 'Ab12' })
    t.equal(form.statusCode, 200)
    t.match(form.body, 'name="password"')
    const signOn = (password: string) => app.inject({
      method: 'POST',
      url: '/as/sunrise/api/v1/oauth2/authorize',
      query: { client_id: clientId, redirect_uri: callbackUrl, response_type: 'code', state: 'Ab12' },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: `account=lihua&password=${password}`,
    })
    t.match(await signOn('wrong'), { statusCode: 401, body: /账号或密码错误/ })
    const done = await signOn(lihua.password)
    const location = new URL(done.headers.location ?? '')
    t.equal(location.origin + location.pathname, callbackUrl)
    t.strictSame([...location.searchParams.keys()], ['code', 'state'])
    t.equal(location.searchParams.get('state'), 'Ab12')

    const silent = await authorize({ state: 'Cd34' }, cookiesOf(done))
    t.equal(silent.statusCode, 302)
    const code = new URL(silent.headers.location ?? '').searchParams.get('code') ?? ''
    t.match((await redeem({ code })).json(), { error_description: 'Redirect URI mismatch.' }, 'the token request must repeat the redirect_uri')
  })

  t.test('sends nobody to an address that is not registered', async (t) => {
    const { authorize, callbackUrl } = await buildSeeded(t)
    t.match(await authorize({ redirect_uri: callbackUrl + '/x' }), { statusCode: 400, body: /Invalid redirect/ })
    t.match(await authorize({ client_id: 'another' }), { statusCode: 400, body: /Client ID mismatch/ })
    const refused = await authorize({ response_type: 'token', state: 'Ab12' })
    t.match(refused.headers.location, /error=unsupported_response_type.*state=Ab12/)
  })

  t.test('logout ends the SSO session and returns to the registered origin only', async (t) => {
    const { authorize, app, url, callbackUrl } = await buildSeeded(t)
    const signedOn = await app.inject({
      method: 'POST', url: '/unified-login/api/login', payload: { appId, account: 'lihua@sunrise', password: lihua.password },
    })
    const cookies = cookiesOf(signedOn)
    t.equal((await authorize({}, cookies)).statusCode, 302)
    const home = new URL('/_gate/signed-out', callbackUrl).href
    const logout = (query: Record<string, string>) => app.inject({ url: '/as/sunrise/api/v1/logout', query, cookies })
    t.match(await logout({ redirect_url: home }), { statusCode: 302, headers: { location: home } })
    t.equal((await authorize({}, cookies)).statusCode, 200, 'asks for the password again')
    t.equal((await logout({ redirect_url: url })).statusCode, 400)
    t.match((await logout({})).headers.location, /^\/unified-login\/#\/portal-login\?ind=UNOP&appId=/)
  })
})

t.test('unified login', async (t) => {
  const post = (app: Awaited<ReturnType<typeof buildSeeded>>['app'], path: string, payload: object, cookies: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url: `/unified-login/api/${path}`, payload: { appId, ...payload }, cookies })

  t.test('leads to the callback with code and tenant and no state', async (t) => {
    const { app, enterprise, callbackUrl } = await buildSeeded(t)
    const answer = (await post(app, 'login', { account: 'lihua@sunrise', password: lihua.password })).json()
    const location = new URL(answer.redirect)
    t.equal(location.origin + location.pathname, callbackUrl)
    t.strictSame([...location.searchParams.keys()], ['code', 'tenant'])
    t.equal(location.searchParams.get('tenant'), enterprise.tenantId)
  })

  t.test('continues with the SSO session of each enterprise', async (t) => {
    const { app } = await buildSeeded(t)
    const cookies = cookiesOf(await post(app, 'login', { account: 'lihua@sunrise', password: lihua.password }))
    const { sessions } = (await app.inject({ url: '/unified-login/api/sessions', query: { appId }, cookies })).json()
    t.match(sessions, [{ enterprise: 'sunrise', account: 'lihua@sunrise', name: '李华' }])
    t.match((await post(app, 'continue', { enterprise: 'sunrise' }, cookies)).json().redirect, /code=.*&tenant=/)
    t.equal((await post(app, 'continue', { enterprise: 'sunrise' })).statusCode, 401)
  })

  t.test('says why it lets nobody in', async (t) => {
    const { app, marketplace } = await buildSeeded(t)
    const reasonFor = async (account: string, password: string = lihua.password) => (await post(app, 'login', { account, password })).json().reason
    t.equal(await reasonFor('lihua'), 'account-malformed')
    t.equal(await reasonFor('lihua@nowhere'), 'enterprise-unknown')
    t.equal(await reasonFor('lihua@sunrise', 'wrong'), 'password-wrong')
    t.equal(await reasonFor('nobody@sunrise'), 'password-wrong')
    await marketplace.change('sunrise', 'lihua', { isEnabled: false })
    t.equal(await reasonFor('lihua@sunrise'), 'member-disabled')
    await marketplace.change('sunrise', 'lihua', { isEnabled: true })
    await marketplace.unbind('sunrise')
    t.equal(await reasonFor('lihua@sunrise'), 'not-bound')
    t.equal((await post(app, 'login', { appId: 'another', account: 'lihua@sunrise', password: lihua.password })).statusCode, 400)
    t.throws(() => marketplace.login('lihua@sunrise', lihua.password))
  })

  t.test('lets a member in who has no grant: the refusal is the application\'s', async (t) => {
    const { app, marketplace } = await buildSeeded(t)
    await marketplace.revoke('sunrise', 'lihua')
    t.match((await post(app, 'login', { account: 'lihua@sunrise', password: lihua.password })).json(), { redirect: /code=/ })
  })
})

t.test('buyer console', async (t) => {
  const submit = (app: Awaited<ReturnType<typeof buildSeeded>>['app'], path: string, form: Record<string, string> = {}, headers = {}) => app.inject({
    method: 'POST',
    url: path,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(form).toString(),
  })

  t.test('sends for each button the interface and flag that belong to it', async (t) => {
    const { app, received } = await buildSimulator(t)
    await submit(app, '/enterprises', { name: '远山制造', code: 'yuanshan' })
    await submit(app, '/enterprises/yuanshan/members', { userName: 'wu', name: '吴', role: 'user', departmentCode: '10001', isGranted: 'yes' })
    const member = (action: string, form = {}) => submit(app, `/enterprises/yuanshan/members/wu/${action}`, form)
    await member('change', { name: '吴敏', role: 'admin', departmentCode: '10003' })
    await member('disable')
    await member('enable')
    await member('revoke')
    await member('grant')
    await member('remove')
    await submit(app, '/enterprises/yuanshan/unbind')
    const answer = await submit(app, '/enterprises/yuanshan/bind')
    t.match(answer, { statusCode: 303, headers: { location: '/#yuanshan' } })
    const pushes = kitOf(received)
    t.strictSame(flagsOf(pushes), [
      'tenantSync 1', 'applicationSync 1', 'allOrgSync 1', 'authSync 1', 'authSync 2', 'authSync 2', 'authSync 2', 'authSync 3', 'authSync 1', 'authSync 0',
      'tenantSync 0', 'tenantSync 1', 'applicationSync 1', 'allOrgSync 1',
    ])
    t.strictSame(pushes[3]?.body['userList'], [{ userName: 'wu', name: '吴', orgCode: '10001', role: 'user', enable: 'true' }])
    t.strictSame(pushes[4]?.body['userList'], [{ userName: 'wu', name: '吴敏', orgCode: '10003', role: 'admin', enable: 'true' }])
    t.equal(pushes[5]?.body['userList'][0].enable, 'false')
    t.equal(pushes[6]?.body['userList'][0].enable, 'true')
  })

  t.test('shows enterprises, passwords and the last pushes, and escapes what people typed', async (t) => {
    const { app, marketplace } = await buildSeeded(t)
    marketplace.addMember('sunrise', { userName: 'eve', name: '<script>alert(1)</script>' })
    const { body } = await app.inject('/')
    t.match(body, lihua.password)
    t.match(body, 'data-name="authSync" data-flag="1" data-result="000000"')
    t.match(body, '✓ 已验证 verified')
    t.notMatch(body, '<script>alert')
  })

  t.test('says what was wrong with a form', async (t) => {
    const { app, received } = await buildSeeded(t)
    received.length = 0
    t.match(await submit(app, '/enterprises', { name: 'X', code: 'Über' }), { statusCode: 400, body: /lower-case letters/ })
    t.match(await submit(app, '/enterprises', { name: '', code: 'x' }), { statusCode: 400, body: /needs a name/ })
    t.match(await submit(app, '/enterprises/sunrise/members', { userName: 'lihua', name: 'x', role: 'user', departmentCode: '1' }), { statusCode: 400, body: /exists already/ })
    t.match(await submit(app, '/enterprises/sunrise/members', { userName: 'x', name: 'x', role: 'root' }), { statusCode: 400, body: /incomplete/ })
    t.match(await submit(app, '/enterprises/sunrise/members/nobody/grant'), { statusCode: 400, body: /no member/ })
    t.match(await submit(app, '/enterprises/nowhere/unbind'), { statusCode: 400, body: /no enterprise/ })
    t.equal(received.length, 0)
  })

  t.test('takes no form of another site', async (t) => {
    const { app, received, url } = await buildSeeded(t)
    received.length = 0
    const path = '/enterprises/sunrise/members/lihua/remove'
    t.equal((await submit(app, path, {}, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).statusCode, 403)
    t.equal((await submit(app, path, {}, { 'sec-fetch-site': 'same-site' })).statusCode, 403)
    t.equal((await submit(app, path, {}, { origin: 'null' })).statusCode, 403)
    t.equal(received.length, 0)
    t.equal((await submit(app, path, {}, { origin: url, 'sec-fetch-site': 'same-origin' })).statusCode, 303)
  })
})

t.test('sample application', async (t) => {
  async function buildApplication (t: Parameters<typeof buildSimulator>[0]) {
    const clock = new ManualClock()
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'one', alg: 'ES256' }] }
    const gateway = Fastify({ forceCloseConnections: true })
    gateway.get('/_gate/jwks.json', () => jwks)
    await gateway.listen({ host: '127.0.0.1', port: 0 })
    const issuer = urlOf(gateway)
    const app = await createSampleApplication({ gatewayUrl: issuer, appId, prefix: '/_gate', clock })
    t.teardown(async () => {
      await app.close()
      await gateway.close()
    })
    const principal = {
      tenantId: 't1', tenantName: '晨曦 & 科技', appId, instanceId: 'i1', userName: 'lihua', name: '李华', role: 'admin', departmentCode: '10002',
    } as Principal
    const assertion = await signAssertion({ key: { kid: 'one', privateKey }, issuer, principal, now: clock.now() })
    const ask = (assertion: string | undefined, url = '/reports?x=1') =>
      app.inject({ url, headers: assertion === undefined ? {} : { 'x-identity-assertion': assertion } })
    const sign = (change: { iss?: string, aud?: string, typ?: string, key?: typeof privateKey }) => new SignJWT({ name: 'x' })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: change.typ ?? 'gateway-identity+jwt' })
      .setIssuer(change.iss ?? issuer).setAudience(change.aud ?? appId).setSubject('t1/lihua')
      .setIssuedAt(clock.now() / 1000).setExpirationTime(clock.now() / 1000 + 300)
      .sign(change.key ?? privateKey)
    return { app, clock, gateway, assertion, ask, sign }
  }

  t.test('shows who is there', async (t) => {
    const { ask, assertion } = await buildApplication(t)
    const page = await ask(assertion)
    t.equal(page.statusCode, 200)
    for (const text of ['李华', 'lihua', '晨曦 &amp; 科技', 'admin', '10002', '/reports?x=1', '/_gate/sign-out']) t.match(page.body, text)
    t.match((await ask(assertion, '/api/me')).json(), { subject: 't1/lihua', user: 'lihua', name: '李华', tenant: 't1', tenantName: '晨曦 & 科技', instance: 'i1' })
  })

  t.test('turns away who bypassed the gateway', async (t) => {
    const { ask, assertion, sign, clock } = await buildApplication(t)
    const { privateKey: foreignKey } = await generateKeyPair('ES256')
    t.equal((await ask(await sign({}))).statusCode, 200)
    const attempts = {
      missing: undefined,
      forged: await sign({ key: foreignKey }),
      'of another gateway': await sign({ iss: 'https://other.example' }),
      'for another application': await sign({ aud: 'other' }),
      'of another kind': await sign({ typ: 'JWT' }),
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${assertion.split('.')[1]}.`,
      garbage: 'abc',
    }
    for (const [what, attempt] of Object.entries(attempts)) t.match(await ask(attempt), { statusCode: 401, body: /Come through the gateway/ }, what)
    clock.advance(300_000)
    t.equal((await ask(assertion)).statusCode, 401, 'expired')
  })

  t.test('blames the gateway, not the visitor, when its keys are out of reach', async (t) => {
    const { ask, assertion, gateway } = await buildApplication(t)
    await ask(assertion)
    await gateway.close()
    t.equal((await ask(assertion)).statusCode, 200, 'keys are kept')
    const other = await createSampleApplication({ gatewayUrl: 'http://127.0.0.1:9', appId, prefix: '/_gate', clock: new ManualClock() })
    t.equal((await other.inject({ url: '/', headers: { 'x-identity-assertion': assertion } })).statusCode, 503)
    await other.close()
  })
})
