import t, { type Test } from 'tap'
import { faultNames, faultTexts, noFaults } from '../../src/simulator/faults.ts'
import { buildSimulator, kitKeys, productionKeys, signingKey, type ReceivedPush } from '../support/simulator.ts'

const sunrise = { name: '晨曦科技 Sunrise', code: 'sunrise' }
const lihua = { userName: 'lihua', name: '李华', password: 'lihua-2025' }

async function buildBound (t: Test) {
  const rig = await buildSimulator(t)
  await rig.marketplace.bind(sunrise)
  rig.marketplace.addMember('sunrise', lihua)
  rig.received.length = 0
  const grant = async () => (await rig.marketplace.grant('sunrise', 'lihua'))[0]!
  const client = rig.marketplace.state.enterprises.get('sunrise')!.client!
  const askToken = (form: Record<string, string>, domain = '/as/sunrise') => rig.app.inject({
    method: 'POST',
    url: `${domain}/api/v1/oauth2/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ client_id: client.clientId, client_secret: client.clientSecret, ...form }).toString(),
  })
  const newCode = () => new URL(rig.marketplace.login('lihua@sunrise', lihua.password)).searchParams.get('code') ?? ''
  return { ...rig, grant, askToken, newCode }
}

const signatureOf = ({ headers }: ReceivedPush) => headers['x-sign']

t.test('slow: a call is signed and leaves only later', async (t) => {
  const { marketplace, grant, received, scheduler, clock } = await buildBound(t)
  const signedAt = clock.now()
  await marketplace.setFault('slow', 61_000)
  const pending = grant()
  await scheduler.advance(60_999)
  t.equal(received.length, 0)
  await scheduler.advance(1)
  t.match(await pending, { fault: 'slow', isSuccess: true })
  t.equal(received[0]?.headers['x-timestamp'], String(signedAt))
})

t.test('lost: the call never arrives, or only its answer is missing', async (t) => {
  const { marketplace, grant, received } = await buildBound(t)
  await marketplace.setFault('lost', 'request')
  t.match(await grant(), { fault: 'request-lost', httpStatus: 0, isSuccess: false })
  t.equal(received.length, 0)
  await marketplace.setFault('lost', 'answer')
  t.match(await grant(), { fault: 'answer-lost', httpStatus: 0, isSuccess: false })
  t.equal(received.length, 1)
})

t.test('lost: a purchase whose answers are lost is asked for again', async (t) => {
  const { marketplace, received, scheduler } = await buildBound(t)
  await marketplace.setFault('lost', 'answer')
  await marketplace.buy('sunrise')
  const instance = [...marketplace.state.instances.values()].at(-1)!
  t.equal(instance.state, 'ordered')
  await marketplace.setFault('lost', 'off')
  await scheduler.advance(120_000)
  t.equal(instance.state, 'active')
  t.strictSame(received.map(({ body }) => body['activity']), ['newInstance', 'newInstance'])
  t.equal(received[0]?.body['orderId'], received[1]?.body['orderId'])
})

t.test('doubled: a call goes out twice at once with one signature', async (t) => {
  const { marketplace, grant, received, answer } = await buildBound(t)
  let both: () => void = () => {}
  const twoAreThere = new Promise<void>((resolve) => { both = resolve })
  answer.choose = async () => {
    if (received.length === 2) both()
    await twoAreThere
    return undefined
  }
  await marketplace.setFault('doubled', 'on')
  t.match(await grant(), { isSuccess: true })
  t.equal(received.length, 2)
  t.equal(signatureOf(received[0]!), signatureOf(received[1]!))
  t.equal(marketplace.state.pushes[1]?.fault, 'doubled')
})

t.test('old: a call is sent again later as it was, and so is any of the log by hand', async (t) => {
  const { marketplace, grant, received, scheduler } = await buildBound(t)
  await marketplace.setFault('old', 120_000)
  const { number } = await grant()
  await scheduler.advance(119_999)
  t.equal(received.length, 1)
  await scheduler.advance(1)
  await marketplace.replay(number)
  t.equal(received.length, 3)
  for (const again of received.slice(1)) {
    t.strictSame([signatureOf(again), again.headers['x-timestamp'], again.text], [signatureOf(received[0]!), received[0]?.headers['x-timestamp'], received[0]?.text])
  }
  t.match(marketplace.state.pushes.slice(0, 2), [{ fault: 'old' }, { fault: 'old' }])
  await scheduler.advance(500_000)
  t.equal(received.length, 3, 'once')
  await t.rejects(marketplace.replay(9_999), { message: /no call number/ })
})

t.test('shuffled: calls are held and sent last first, with the business times they were made at', async (t) => {
  const { marketplace, grant, received } = await buildBound(t)
  await marketplace.setFault('shuffled', 3)
  t.match(await grant(), { fault: 'held', httpStatus: 0 })
  await marketplace.change('sunrise', 'lihua', { name: '李花' })
  t.equal(received.length, 0)
  await marketplace.revoke('sunrise', 'lihua')
  t.strictSame(received.map(({ body }) => body['flag']), [3, 2, 1])
  const times = received.map(({ body }) => String(body['timeStamp']))
  t.strictSame(times, times.toSorted().reverse())
  t.ok(received.every((push) => signingKey(push) === kitKeys[0]))

  await grant()
  t.equal(received.length, 3)
  await marketplace.setFault('shuffled', 0)
  t.equal(received.length, 4, 'turning it off sends what is held')
})

t.test('shuffled: an instance is made without waiting, and what is held is not repeated', async (t) => {
  const { marketplace, received, scheduler } = await buildBound(t)
  await marketplace.setFault('shuffled', 5)
  await marketplace.buy('sunrise')
  const instance = [...marketplace.state.instances.values()].at(-1)!
  t.equal(instance.state, 'active')
  received.length = 0
  await marketplace.freeze(instance.orderId)
  await marketplace.unfreeze(instance.orderId)
  await scheduler.advance(3_600_000)
  t.equal(received.length, 0)
  await marketplace.resetFaults()
  t.strictSame(received.map(({ body }) => body['status']), ['UNFREEZE', 'FREEZE'])
})

t.test('bad signatures: no key of the gateway made them', async (t) => {
  const { marketplace, grant, received } = await buildBound(t)
  await marketplace.setFault('badSignatures', 'on')
  await grant()
  await marketplace.buy('sunrise')
  marketplace.setGeneration('v1')
  await grant()
  await marketplace.buy('sunrise')
  t.equal(received.length, 5)
  t.strictSame(received.map(signingKey), Array(5).fill(undefined))
})

t.test('rotated keys: the second key signs, and the answer must carry it', async (t) => {
  const { marketplace, grant, received } = await buildBound(t)
  await marketplace.setFault('rotatedKeys', 'on')
  t.match(await grant(), { isSuccess: true, bodySign: 'verified' })
  await marketplace.buy('sunrise')
  t.strictSame(received.map(signingKey), [kitKeys[1], productionKeys[1], productionKeys[1]])
})

t.test('changed domain: the next binding names another one, where sign-on works, too', async (t) => {
  const { marketplace, received, url, app, callbackUrl } = await buildBound(t)
  await marketplace.setFault('changedDomain', 'on')
  await marketplace.bind(sunrise)
  const domainName: string = received.find(({ path }) => path.endsWith('/tenantSync'))?.body['domainName']
  t.equal(domainName, `${url}/as-moved/sunrise`)
  const { client } = marketplace.state.enterprises.get('sunrise')!
  const query = { client_id: client!.clientId, redirect_uri: callbackUrl, response_type: 'code' }
  for (const path of ['/as-moved/sunrise', '/as/sunrise']) {
    const form = await app.inject({ url: `${path}/api/v1/oauth2/authorize`, query })
    t.equal(form.statusCode, 200, path)
  }
  await marketplace.resetFaults()
  received.length = 0
  await marketplace.bind(sunrise)
  t.equal(received.find(({ path }) => path.endsWith('/tenantSync'))?.body['domainName'], `${url}/as/sunrise`)
})

t.test('revoked refresh tokens: none renews anything while the switch is on', async (t) => {
  const { marketplace, askToken, newCode } = await buildBound(t)
  const { refresh_token: token } = (await askToken({ grant_type: 'authorization_code', code: newCode() })).json()
  await marketplace.setFault('revokedRefreshTokens', 'on')
  const refused = await askToken({ grant_type: 'refresh_token', refresh_token: token })
  t.equal(refused.statusCode, 400)
  t.strictSame(refused.json(), { error: 'invalid_grant', error_description: 'Invalid refresh token' })
  await marketplace.resetFaults()
  t.equal((await askToken({ grant_type: 'refresh_token', refresh_token: token })).statusCode, 200)
})

t.test('an authorization server that is down answers 503, or nothing for a minute', async (t) => {
  const { marketplace, askToken, newCode, app, scheduler } = await buildBound(t)
  await marketplace.setFault('authorizationServer', 'failing')
  for (const path of ['/as/sunrise', '/as-moved/sunrise']) t.equal((await askToken({ grant_type: 'authorization_code' }, path)).statusCode, 503)
  t.equal((await app.inject('/as/sunrise/api/v1/oauth2/userinfo')).statusCode, 503)
  t.equal((await app.inject('/')).statusCode, 200, 'the console stays')

  await marketplace.setFault('authorizationServer', 'hanging')
  const waiting = scheduler.size
  let hasAnswered = false
  const pending = askToken({ grant_type: 'authorization_code' }).then((answer) => {
    hasAnswered = true
    return answer
  })
  while (scheduler.size === waiting) await new Promise((resolve) => { setImmediate(resolve) })
  await scheduler.advance(59_999)
  t.notOk(hasAnswered)
  await scheduler.advance(1)
  t.equal((await pending).statusCode, 503)

  await marketplace.resetFaults()
  t.equal((await askToken({ grant_type: 'authorization_code', code: newCode() })).statusCode, 200)
})

t.test('every switch has its words, its bounds and an end', async (t) => {
  const { marketplace, received } = await buildBound(t)
  for (const name of faultNames) t.match(faultTexts[name], { label: /[\u4e00-\u9fff].*[A-Za-z]/, sentence: /[\u4e00-\u9fff].*[A-Za-z]/ }, name)
  await t.rejects(marketplace.setFault('slow', 90_001), { message: /has no value/ })
  await t.rejects(marketplace.setFault('old', -1), { message: /has no value/ })
  await t.rejects(marketplace.setFault('shuffled', 21), { message: /has no value/ })
  t.strictSame(marketplace.state.faults, noFaults())
  await marketplace.setFault('lost', 'request')
  await marketplace.setFault('doubled', 'on')
  await marketplace.resetFaults()
  t.strictSame(marketplace.state.faults, noFaults())
  await marketplace.grant('sunrise', 'lihua')
  t.equal(received.length, 1)
})

t.test('the console', async (t) => {
  const submit = (app: Awaited<ReturnType<typeof buildBound>>['app'], url: string, form: Record<string, string> = {}) => app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(form).toString(),
  })

  t.test('turns switches and the generation, and shows them', async (t) => {
    const { app, marketplace } = await buildBound(t)
    t.match(await submit(app, '/faults/slow', { value: '250' }), { statusCode: 303, headers: { location: '/#faults' } })
    await submit(app, '/faults/lost', { value: 'answer' })
    await submit(app, '/generation', { generation: 'v1' })
    t.match(marketplace.state, { generation: 'v1', faults: { slow: 250, lost: 'answer' } })
    const { body } = await app.inject('/')
    t.match(body, 'data-fault="slow" data-value="250"')
    t.match(body, '2 项开启 on')
    for (const name of faultNames) t.match(body, faultTexts[name].sentence)
    t.match(await submit(app, '/faults/slow', { value: 'x' }), { statusCode: 400, body: /has no value/ })
    t.match(await submit(app, '/faults/constructor', { value: 'on' }), { statusCode: 400, body: /no switch/ })
    t.match(await submit(app, '/generation', { generation: 'v3' }), { statusCode: 400, body: /incomplete/ })
    await submit(app, '/reset-faults')
    t.strictSame(marketplace.state.faults, noFaults())
  })

  t.test('has a button for each act on an instance', async (t) => {
    const { app, marketplace, received } = await buildBound(t)
    await submit(app, '/enterprises/sunrise/instances', { isTrial: 'yes' })
    const { orderId } = [...marketplace.state.instances.values()].at(-1)!
    const act = (name: string, form = {}) => submit(app, `/enterprises/sunrise/instances/${orderId}/${name}`, form)
    t.match((await app.inject('/')).body, `data-order="${orderId}" data-state="active"`)
    received.length = 0
    t.match(await act('bind'), { statusCode: 303, headers: { location: `/#${orderId}` } })
    await act('details')
    await act('renew', { scene: 'TRIAL_TO_FORMAL' })
    await act('freeze', { because: 'expired' })
    t.match((await app.inject('/')).body, `data-order="${orderId}" data-state="frozen"`)
    await act('unfreeze')
    await act('upgrade')
    await act('notify')
    await act('retry')
    await act('cancel')
    t.strictSame(received.map(({ body, path }) => body['activity'] ?? path.split('/').at(-1)), [
      'tenantSync', 'applicationSync', 'allOrgSync', 'queryInstance', 'refreshInstance', 'updateInstanceStatus', 'updateInstanceStatus',
      'upgradeInstance', 'orderNotify', 'releaseInstance',
    ])
    t.match(await act('unfreeze'), { statusCode: 400, body: /is released/ })
    t.match(await act('renew', { scene: 'x' }), { statusCode: 400, body: /incomplete/ })
  })

  t.test('shows what waits for another attempt, and makes it at once', async (t) => {
    const { app, answer, marketplace } = await buildBound(t)
    answer.choose = () => '{"resultCode":"000005","resultMsg":"x"}'
    await submit(app, '/enterprises/sunrise/instances')
    const instance = [...marketplace.state.instances.values()].at(-1)!
    t.match((await app.inject('/')).body, /tried again at: 1 × · \d\d:\d\d:\d\d/)
    answer.choose = () => undefined
    await submit(app, `/enterprises/sunrise/instances/${instance.orderId}/retry`)
    t.equal(instance.state, 'active')
  })

  t.test('has forms for departments, for replays and for test data', async (t) => {
    const { app, received, marketplace } = await buildBound(t)
    const department = (path: string, form = {}) => submit(app, `/enterprises/sunrise/${path}`, form)
    t.match(await department('departments', { code: '20000', name: '<b>部</b>', parentCode: '10002' }), { headers: { location: '/#sunrise-departments' } })
    t.match((await app.inject('/')).body, /depth-2" data-department="20000"/)
    t.notMatch((await app.inject('/')).body, '<b>部')
    await department('departments/20000/rename', { name: '部', parentCode: '10002' })
    await department('departments/20000/move', { name: '部', parentCode: '10003' })
    await department('departments/20000/delete', { name: '部', parentCode: '10003' })
    await department('all-departments')
    t.strictSame(received.map(({ path, body }) => `${path.split('/').at(-1)} ${body['flag']}`), [
      'singleOrgSync 1', 'singleOrgSync 2', 'singleOrgSync 2', 'singleOrgSync 0', 'allOrgSync 1',
    ])
    t.match(await department('departments/1/delete'), { statusCode: 400, body: /no department/ })
    await submit(app, `/pushes/${marketplace.state.pushes[0]!.number}/replay`)
    t.equal(signatureOf(received[4]!), signatureOf(received[5]!))
    await submit(app, '/enterprises', { name: '调测', code: 'test', isTest: 'yes' })
    t.match((await app.inject('/')).body, /data-name="tenantSync"[^]*?testFlag 1/)
  })
})
