import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { signSdkRequest } from '../../src/provisioning/sdk-hmac-sha256.ts'
import {
  buildSimulator, instanceOf, kitKeys, orderQueryCredentials, productionKeys, signingKey, type ReceivedPush,
} from '../support/simulator.ts'

const minute = 60_000
const result = (resultCode: string, members = {}) => JSON.stringify({ resultCode, resultMsg: 'x', ...members })

const nameOf = ({ path, body, query }: ReceivedPush): string => body['activity'] ?? query['activity'] ?? path.split('/').at(-1) ?? ''
const membersOf = ({ body, query, method }: ReceivedPush): Record<string, string> => method === 'GET' ? query : body

async function buildBuyer (t: Test, options: Parameters<typeof buildSimulator>[1] = {}) {
  const rig = await buildSimulator(t, options)
  rig.marketplace.found({ name: '晨曦科技', code: 'sunrise' })
  const buy = async (wish = {}) => {
    const answers = await rig.marketplace.buy('sunrise', wish)
    return { answers, instance: [...rig.marketplace.state.instances.values()].at(-1)! }
  }
  const names = () => rig.received.map(nameOf)
  return { ...rig, buy, names }
}

t.test('buying an instance', async (t) => {
  t.test('is a newInstance and, once that succeeded, a queryInstance, both signed', async (t) => {
    const { buy, received, names } = await buildBuyer(t)
    const { instance } = await buy()
    t.strictSame(names(), ['newInstance', 'queryInstance'])
    t.strictSame(received.map(signingKey), [productionKeys[0], productionKeys[0]])
    t.match(received[0]?.body, { orderId: /^CS/, orderLineId: `${instance.orderId}-000001`, businessId: /^[0-9a-f-]{36}$/ })
    t.notOk('testFlag' in received[0]!.body)
    t.match(instance, { state: 'active', instanceId: instanceOf(instance.orderId), frontEndUrl: 'https://app.example.com', isBound: false })
  })

  t.test('is repeated every 2 minutes for 2 hours, with another businessId each time, and then the order has failed', async (t) => {
    const { buy, received, answer, scheduler, clock, marketplace } = await buildBuyer(t)
    const times: number[] = []
    const start = clock.now()
    answer.choose = () => {
      times.push(clock.now() - start)
      return result('000005')
    }
    const { instance } = await buy()
    t.equal(instance.state, 'ordered')
    t.equal(marketplace.state.deliveries.size, 1)
    await scheduler.advance(119 * minute)
    t.equal(instance.state, 'ordered')
    await scheduler.advance(10 * minute)
    t.strictSame(times, Array.from({ length: 61 }, (_, index) => index * 2 * minute))
    t.equal(new Set(received.map(({ body }) => body['businessId'])).size, 61)
    t.equal(new Set(received.map(({ body }) => body['orderId'])).size, 1)
    t.equal(instance.state, 'failed')
    t.equal(marketplace.state.deliveries.size, 0)
    t.equal(scheduler.size, 0)
  })

  t.test('on 000004 goes on with queryInstance every 2 minutes until that succeeds', async (t) => {
    const { buy, names, answer, scheduler } = await buildBuyer(t)
    answer.choose = (push) => nameOf(push) === 'newInstance' ? result('000004', { instanceId: 'made-later' }) : result('000004')
    const { instance } = await buy()
    t.match(instance, { state: 'creating', instanceId: 'made-later' })
    await scheduler.advance(6 * minute)
    t.equal(instance.state, 'creating')
    answer.choose = (push) => push.body['instanceId'] === 'made-later' ? undefined : result('000003')
    await scheduler.advance(2 * minute)
    t.equal(instance.state, 'active')
    t.strictSame(names(), ['newInstance', 'queryInstance', 'queryInstance', 'queryInstance', 'queryInstance'])
    t.equal(scheduler.size, 0)
  })

  t.test('that is never ready fails 2 hours after the purchase', async (t) => {
    const { buy, names, answer, scheduler } = await buildBuyer(t)
    answer.choose = (push) => nameOf(push) === 'newInstance' ? result('000004', { instanceId: 'i' }) : result('000004')
    const { instance } = await buy()
    await scheduler.advance(3 * 60 * minute)
    t.equal(instance.state, 'failed')
    t.equal(names().length, 61)
  })

  t.test('an answer without an instanceId is none', async (t) => {
    const { buy, answer } = await buildBuyer(t)
    answer.choose = () => result('000000')
    t.equal((await buy()).instance.state, 'ordered')
  })

  t.test('can be tried again at once by hand', async (t) => {
    const { buy, answer, marketplace, scheduler, names } = await buildBuyer(t)
    answer.choose = () => result('000005')
    const { instance } = await buy()
    answer.choose = () => undefined
    await marketplace.retryNow(instance.orderId)
    t.equal(instance.state, 'active')
    const sent = names().length
    await scheduler.advance(10 * minute)
    t.equal(names().length, sent + 1, 'the query that follows, and nothing more')
  })

  t.test('in V1 is a GET, repeated 60 times every 3 minutes, and nothing is polled', async (t) => {
    const { buy, received, answer, scheduler, names } = await buildBuyer(t, { generation: 'v1' })
    answer.choose = () => result('000005')
    const { instance } = await buy({ isTrial: true })
    t.equal(received[0]?.method, 'GET')
    t.match(received[0]?.query, { activity: 'newInstance', customerName: '晨曦科技', trialFlag: '1', timeStamp: '20250101000000000', expireTime: '20250131000000' })
    await scheduler.advance(4 * 60 * minute)
    t.equal(received.length, 61)
    t.strictSame(new Set(received.map(signingKey)), new Set([productionKeys[0]]))
    t.equal(instance.state, 'failed')
    answer.choose = () => undefined
    const second = await buy()
    t.match(second.instance, { state: 'active', frontEndUrl: 'https://app.example.com' })
    t.notOk(names().includes('queryInstance'))
  })
})

t.test('the life of an instance', async (t) => {
  const lead = async (t: Test, generation: 'v1' | 'v2') => {
    const rig = await buildBuyer(t, { generation })
    const { instance: { orderId } } = await rig.buy({ isTrial: true })
    const { marketplace } = rig
    rig.received.length = 0
    await marketplace.renew(orderId, 'TRIAL_TO_FORMAL')
    await marketplace.renew(orderId)
    await marketplace.renew(orderId, 'UNSUBSCRIBE_RENEWAL_PERIOD')
    await marketplace.freeze(orderId)
    await marketplace.unfreeze(orderId)
    await marketplace.freeze(orderId, 'violation')
    await marketplace.upgrade(orderId)
    await marketplace.notifyOrder(orderId)
    await marketplace.openDetails(orderId)
    await marketplace.release(orderId)
    return { ...rig, orderId, sent: rig.received.map(membersOf) }
  }

  t.test('in V2', async (t) => {
    const { sent, received, orderId, marketplace } = await lead(t, 'v2')
    const instanceId = instanceOf(orderId)
    t.match(sent, [
      { activity: 'refreshInstance', scene: 'TRIAL_TO_FORMAL', instanceId, expireTime: '20260101000000' },
      { activity: 'refreshInstance', scene: 'RENEWAL', instanceId, expireTime: '20270101000000', orderLineId: /-000001$/ },
      { activity: 'refreshInstance', scene: 'UNSUBSCRIBE_RENEWAL_PERIOD', instanceId, expireTime: '20260101000000' },
      { activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' },
      { activity: 'updateInstanceStatus', instanceId, status: 'UNFREEZE' },
      { activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' },
      { activity: 'upgradeInstance', instanceId, orderId: /^CS/ },
      { activity: 'orderNotify', orderId, testFlag: '0' },
      { activity: 'queryInstance', instanceId },
      { activity: 'releaseInstance', instanceId, orderId: /^CS/ },
    ])
    t.equal(sent.length, 10)
    t.ok(sent.every((members) => Object.values(members).every((value) => typeof value === 'string')), 'texts only')
    t.ok(received.every((push) => signingKey(push) === productionKeys[0]))
    await t.rejects(marketplace.unfreeze(orderId), { message: /is released/ })
    await t.rejects(marketplace.freeze('CS0'), { message: /no instance/ })
  })

  t.test('in V1, which has no order notification', async (t) => {
    const { sent, received, orderId } = await lead(t, 'v1')
    const instanceId = instanceOf(orderId)
    t.match(sent, [
      { activity: 'refreshInstance', instanceId, expireTime: '20260101000000', trialToFormal: '1' },
      { activity: 'refreshInstance', instanceId, expireTime: '20270101000000' },
      { activity: 'refreshInstance', instanceId, expireTime: '20260101000000' },
      { activity: 'expireInstance', instanceId, orderId },
      { activity: 'instanceStatus', instanceId, instanceStatus: 'NORMAL' },
      { activity: 'instanceStatus', instanceId, instanceStatus: 'FREEZE' },
      { activity: 'upgrade', instanceId, skuCode: 'sku-professional' },
      { activity: 'newInstance', orderId },
      { activity: 'releaseInstance', instanceId, orderId },
    ])
    t.equal(sent.length, 9)
    t.ok(received.every((push) => push.method === 'GET' && signingKey(push) === productionKeys[0]))
  })

  t.test('a failed renewal is repeated for an hour, a failed release never', async (t) => {
    const { buy, answer, marketplace, scheduler, received } = await buildBuyer(t)
    const { instance: { orderId } } = await buy()
    answer.choose = () => result('000005')
    received.length = 0
    await marketplace.renew(orderId)
    await scheduler.advance(2 * 60 * minute)
    t.equal(received.length, 31)
    await marketplace.freeze(orderId)
    await marketplace.release(orderId)
    await scheduler.advance(2 * 60 * minute)
    t.equal(received.length, 33, 'nothing is tried again of what is released')
  })

  t.test('a later wish takes the place of an earlier one that still fails', async (t) => {
    const { buy, answer, marketplace, scheduler, received } = await buildBuyer(t)
    const { instance: { orderId } } = await buy()
    answer.choose = () => result('000005')
    await marketplace.freeze(orderId)
    answer.choose = () => undefined
    await marketplace.unfreeze(orderId)
    received.length = 0
    await scheduler.advance(60 * minute)
    t.equal(received.length, 0)
  })
})

t.test('an enterprise', async (t) => {
  t.test('may bind several instances, with one client, and everything is told to each', async (t) => {
    const { buy, marketplace, received, names } = await buildBuyer(t)
    const { instance: one } = await buy()
    await marketplace.bind({ name: '晨曦科技', code: 'sunrise' })
    const { instance: two } = await buy()
    received.length = 0
    await marketplace.bindInstance(two.orderId)
    t.strictSame(names(), ['tenantSync', 'applicationSync', 'allOrgSync'])
    marketplace.addMember('sunrise', { userName: 'lihua', name: '李华' })
    await marketplace.grant('sunrise', 'lihua')
    t.strictSame(received.slice(3).map(({ body }) => body['instanceId']), [one.instanceId, two.instanceId])
    const client = marketplace.state.enterprises.get('sunrise')?.client?.clientId
    t.equal(received[1]?.body['clientId'], client)
    received.length = 0
    await marketplace.bind({ name: '晨曦科技', code: 'sunrise' })
    t.equal(names().join(), 'tenantSync,applicationSync,allOrgSync,tenantSync,applicationSync,allOrgSync', 're-binding repairs all of it')
    t.not(received[1]?.body['clientId'], client)
    t.equal(received[4]?.body['clientId'], received[1]?.body['clientId'])
  })

  t.test('that can buy nothing is not bound', async (t) => {
    const { marketplace, answer, names } = await buildBuyer(t)
    answer.choose = () => result('000106')
    await marketplace.bind({ name: '晨曦科技', code: 'sunrise' })
    t.strictSame(names(), ['newInstance'])
    t.equal(marketplace.state.enterprises.get('sunrise')?.client, undefined)
  })

  t.test('of test data says so in everything', async (t) => {
    const { marketplace, received } = await buildSimulator(t)
    await marketplace.bind({ name: '调测', code: 'test', isTest: true })
    t.strictSame(received.map(({ body }) => body['testFlag']), ['1', '1', 1, 1, 1])
  })

  t.test('speaks V1 with lists as texts and without a flag 3', async (t) => {
    const { marketplace, received } = await buildSimulator(t, { generation: 'v1' })
    await marketplace.bind({ name: '晨曦科技', code: 'sunrise' })
    marketplace.addMember('sunrise', { userName: 'lihua', name: '李华' })
    await marketplace.grant('sunrise', 'lihua')
    await marketplace.revoke('sunrise', 'lihua')
    t.strictSame(received.slice(1).map((push) => [push.path.replace('/_gate/marketplace', ''), signingKey(push)]), [
      '/produceAPI/tenantSync', '/produceAPI/applicationSync', '/produceAPI/allOrgSync', '/produceAPI/authSync', '/produceAPI/authSync',
    ].map((path) => [path, kitKeys[0]]))
    const [, , , departments, grant, revocation] = received.map(({ body }) => body)
    t.match(JSON.parse(departments?.['orgInfo'])[1], { orgCode: '10001', name: /总经理/, parentCode: '10000' })
    t.match(JSON.parse(grant?.['userList']), [{ userName: 'lihua', enable: 'true' }])
    t.equal(revocation?.['flag'], 0)
  })

  t.test('creates, renames, moves and deletes departments, and moves members between them', async (t) => {
    const { marketplace, received, names } = await buildSimulator(t).then((rig) => ({ ...rig, names: () => rig.received.map(nameOf) }))
    await marketplace.bind({ name: '晨曦科技', code: 'sunrise' })
    t.match(received.at(-1)?.body['orgInfoList'], [{ orgCode: '10000', orgName: /总部/, parentCode: '' }, { orgCode: '10001', parentCode: '10000' }])
    marketplace.addMember('sunrise', { userName: 'lihua', name: '李华' })
    await marketplace.grant('sunrise', 'lihua')
    received.length = 0
    await marketplace.createDepartment('sunrise', { code: '20000', name: '售后部', parentCode: '10000' })
    await marketplace.renameDepartment('sunrise', '20000', '服务部')
    await marketplace.moveDepartment('sunrise', '20000', '10002')
    await marketplace.change('sunrise', 'lihua', { departmentCode: '20000' })
    await marketplace.deleteDepartment('sunrise', '20000')
    await marketplace.sendDepartments('sunrise')
    t.strictSame(names(), ['singleOrgSync', 'singleOrgSync', 'singleOrgSync', 'authSync', 'singleOrgSync', 'allOrgSync'])
    t.match(received.map(({ body }) => body), [
      { flag: 1, orgCode: '20000', orgName: '售后部', parentCode: '10000' },
      { flag: 2, orgName: '服务部', parentCode: '10000' },
      { flag: 2, orgName: '服务部', parentCode: '10002' },
      { flag: 2, userList: [{ orgCode: '20000' }] },
      { flag: 0, orgCode: '20000' },
    ])
    await t.rejects(marketplace.createDepartment('sunrise', { code: '10001', name: 'x', parentCode: '' }), { message: /exists already/ })
    await t.rejects(marketplace.moveDepartment('sunrise', '10000', '10002'), { message: /below itself/ })
    const twin = { code: '3', name: '研发部 Engineering', parentCode: '10000' }
    await t.rejects(marketplace.createDepartment('sunrise', twin), { message: /on this level/ })
    t.equal(received.length, 6)
  })
})

t.test('order query', async (t) => {
  const ask = async (t: Test) => {
    const rig = await buildBuyer(t)
    interface Change { credentials?: typeof orderQueryCredentials, orderLineId?: string, at?: number }
    const query = async (orderId: string, change: Change = {}) => {
      const url = new URL(`${rig.url}/api/mkp-openapi-public/global/v1/order/query`)
      url.search = new URLSearchParams({ orderId, orderLineId: change.orderLineId ?? `${orderId}-000001` }).toString()
      const { credentials = orderQueryCredentials, at = rig.clock.now() } = change
      const headers = { 'content-type': 'application/json' }
      const signature = signSdkRequest({ method: 'GET', url, headers, body: '' }, credentials, at)
      return await rig.app.inject({ url: url.pathname + url.search, headers: { ...headers, ...signature } })
    }
    return { ...rig, query }
  }

  t.test('knows the orders made here and the mock orders', async (t) => {
    const { query, buy, marketplace, received } = await ask(t)
    const { instance: { orderId } } = await buy()
    await marketplace.upgrade(orderId)
    const upgrade: string = received.at(-1)?.body['orderId']
    t.match((await query(orderId)).json(), {
      resultCode: 'MKT.0000',
      orderInfo: {
        orderId,
        orderType: 'NEW',
        createTime: '20250101000000',
        buyerInfo: { customerName: '晨曦科技' },
        orderLine: [{ orderLineId: `${orderId}-000001`, chargingMode: 'PERIOD', periodType: 'year', expireTime: '20260101000000', productInfo: [{ skuCode: 'sku-basic' }] }],
      },
    })
    t.match((await query(upgrade)).json(), { orderInfo: { orderType: 'CHANGE', orderLine: [{ productInfo: [{ skuCode: 'sku-professional' }] }] } })
    t.match((await query('MOCKPERIODYEARNEW')).json(), { orderInfo: { orderType: 'NEW', orderLine: [{ chargingMode: 'PERIOD', periodType: 'year' }] } })
    t.match((await query('MOCKONDEMAND')).json(), { orderInfo: { orderLine: [{ chargingMode: 'ON_DEMAND', expireTime: undefined }] } })
    t.match((await query('MOCKMONTYUNSUBSCRIBE')).json(), { orderInfo: { orderType: 'UNSUBSCRIBE' } })
    for (const unknown of [query('toString'), query('CS0'), query(orderId, { orderLineId: 'x' })]) {
      const answer = (await unknown).json()
      t.match(answer, { resultCode: /^MKT\.9/ })
      t.notOk('orderInfo' in answer)
    }
  })

  t.test('answers only who signed with the right key, within a quarter of an hour', async (t) => {
    const { query, app, clock } = await ask(t)
    const wrong = { ...orderQueryCredentials, secretAccessKey: new Secret('wrong') }
    t.equal((await query('MOCKONDEMAND', { credentials: wrong })).statusCode, 401)
    t.equal((await query('MOCKONDEMAND', { credentials: { ...orderQueryCredentials, accessKeyId: 'AKOTHER' } })).statusCode, 401)
    t.equal((await query('MOCKONDEMAND', { at: clock.now() - 15 * minute })).statusCode, 200)
    t.equal((await query('MOCKONDEMAND', { at: clock.now() - 16 * minute })).statusCode, 401)
    t.equal((await app.inject('/api/mkp-openapi-public/global/v1/order/query?orderId=MOCKONDEMAND')).statusCode, 401)
  })
})
