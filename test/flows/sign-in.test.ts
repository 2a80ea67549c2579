import t from 'tap'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { appId, openTestGateway, wireAccount, toPushTime } from '../support/build-gateway.ts'

const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }

t.test('an employee signs in by the button and reaches the page that was asked for', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '李华' }] })
  const browser = gateway.browser()

  const away = await browser.open('/reports?year=2025')
  t.equal(away.status, 303)
  t.equal(away.location, '/_gate/sign-in?return_to=%2Freports%3Fyear%3D2025')
  t.same(gateway.upstream.requests, [], 'the application has seen nothing (T-33)')

  const page = await browser.open(away.location)
  t.equal(page.status, 200)
  t.match(page.body, /name="return_to" value="\/reports\?year=2025"/)

  const left = await browser.submit('/_gate/sign-in', { return_to: '/reports?year=2025' })
  t.equal(left.status, 303)
  t.equal(left.location, `https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId=${appId}`)
  t.equal([...browser.cookies.keys()].filter((name) => name.startsWith('__Host-jointgate-flow-')).length, 1)

  const code = server.issueCode(lihua)
  const back = await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`, { headers: { 'sec-fetch-site': 'cross-site' } })
  t.equal(back.status, 303)
  t.equal(back.location, '/reports?year=2025')
  t.same(server.calls.map(({ endpoint, form }) => [endpoint, form]), [
    ['token', { grant_type: 'authorization_code', code, redirect_uri: `${gateway.url}/_gate/callback`, client_id: 'client-1', client_secret: 'client-secret-1' }],
    ['userinfo', {}],
  ])

  const seen = await browser.open(back.location)
  t.equal(seen.body, 'the application')
  const [seenByUpstream] = gateway.upstream.requests
  const headers = seenByUpstream?.headers ?? {}
  t.equal(seenByUpstream?.target, '/reports?year=2025')
  t.equal(headers['x-identity-tenant'], tenantId)
  t.equal(headers['x-identity-user'], 'lihua')
  t.equal(headers['x-identity-name'], encodeURIComponent('李华'))
  t.match(headers['x-identity-assertion'], /^[\w-]+\.[\w-]+\.[\w-]+$/)
  t.equal(headers['cookie'], undefined, 'our cookie stays here (T-34)')

  await gateway.push('authSync', { tenantId, appId, flag: 3, currentSyncTime: toPushTime(gateway.clock.now()), userList: [wireAccount({ userName: 'lihua' })] })
  const closed = await browser.open('/reports')
  t.equal(closed.status, 403)
  t.match(closed.body, 'authorisation-withdrawn')
  t.equal(gateway.upstream.requests.length, 1)
})
