import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceId, PushVersion } from '../../src/directory/model.ts'
import { LearnPurchase } from '../../src/provisioning/learn-purchase.ts'
import type { OrderAnswer } from '../../src/provisioning/order-answer.ts'
import { openOrderQuery, orderQueryBaseUrls } from '../../src/provisioning/order-query.ts'
import { InstanceDirectory } from '../support/instance-directory.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ManualSchedule } from '../support/manual-schedule.ts'
import { openSellerHook } from '../support/seller-hook.ts'

const order = { orderId: 'MOCKPERIODYEARNEW', orderLineId: 'MOCKPERIODYEARNEW-000001' }
const secretAccessKey = 'sk-for-tests-0001'

/** In the shape that the marketplace gives its mock orders, with values of our own. */
const answered = {
  resultCode: 'MKT.0000',
  resultMsg: 'Success',
  orderInfo: {
    orderId: 'MOCKPERIODYEARNEW',
    orderType: 'NEW',
    createTime: '20250101000000',
    orderLine: [{
      orderLineId: 'MOCKPERIODYEARNEW-000001',
      chargingMode: 'PERIOD',
      periodType: 'year',
      periodNumber: 1,
      expireTime: '20260101235959',
      productInfo: [{ productId: 'OFFI1', skuCode: 'sku-1', linearValue: 50, productName: '测试商品,基础版' }],
      extendParams: [{ name: 'ip', value: '127.0.0.1' }],
      currency: '100',
    }],
    buyerInfo: { mobilePhone: '00000000000', email: null, customerId: 'c-1', customerType: 0 },
    extendParams: [],
  },
}
const purchase = {
  orderId: 'MOCKPERIODYEARNEW',
  orderType: 'NEW',
  chargingMode: 'PERIOD',
  periodType: 'year',
  periodNumber: 1,
  products: [{ productId: 'OFFI1', skuCode: 'sku-1', name: '测试商品,基础版', amount: 50 }],
}

async function open (t: Test, { baseUrls, timeoutSeconds }: { baseUrls?: readonly string[], timeoutSeconds?: number } = {}) {
  const marketplace = await openSellerHook(t)
  marketplace.answer = { status: 200, body: answered }
  const clock = new ManualClock()
  const orders = openOrderQuery({
    baseUrls: baseUrls ?? [marketplace.url],
    accessKeyId: 'AK1',
    secretAccessKey: new Secret(secretAccessKey),
    clock,
    dangerouslyAllowHttp: true,
    timeoutSeconds: timeoutSeconds ?? 2,
  })
  t.teardown(() => orders.close())
  return { marketplace, clock, orders }
}

t.test('a mock order is found by a GET that is signed with AK and SK (sync.md §4.11)', async (t) => {
  const { marketplace, orders } = await open(t)
  t.same(await orders.find(order), { kind: 'purchase', purchase })
  const [call] = marketplace.calls
  const query = 'orderId=MOCKPERIODYEARNEW&orderLineId=MOCKPERIODYEARNEW-000001'
  t.match(call, { method: 'GET', path: `/api/mkp-openapi-public/global/v1/order/query?${query}`, body: '' })
  t.equal(call?.headers['x-sdk-date'], '20250101T000000Z')

  // By the signing guide, over what came over the wire.
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  const signedHeaders = 'content-type;host;x-sdk-date'
  const canonical = [
    'GET', '/api/mkp-openapi-public/global/v1/order/query/', query,
    ...signedHeaders.split(';').map((name) => `${name}:${String(call?.headers[name])}`), '', signedHeaders, sha256(''),
  ].join('\n')
  const signature = createHmac('sha256', secretAccessKey).update(`SDK-HMAC-SHA256\n20250101T000000Z\n${sha256(canonical)}`).digest('hex')
  t.equal(call?.headers.authorization, `SDK-HMAC-SHA256 Access=AK1, SignedHeaders=${signedHeaders}, Signature=${signature}`)
})

t.test('the line is asked for only where there is one: V1 names a product in its place (sync.md §4.1)', async (t) => {
  const { marketplace, orders } = await open(t)
  const [line] = answered.orderInfo.orderLine
  const other = { ...line, orderLineId: 'MOCKPERIODYEARNEW-000002', periodNumber: 2, productInfo: [{ productId: 'OFFI2' }] }
  marketplace.answer = { status: 200, body: { ...answered, orderInfo: { ...answered.orderInfo, orderLine: [line, other] } } }
  for (const [orderLineId, periodNumber] of [['OFFI2', 2], ['OFFI1', 1], ['', 1], ['MOCKPERIODYEARNEW-000002', 2]] as const) {
    t.match(await orders.find({ ...order, orderLineId }), { purchase: { periodNumber } }, orderLineId)
    const isLine = orderLineId.startsWith('MOCK')
    t.equal(marketplace.calls.at(-1)?.path.includes('orderLineId'), isLine)
  }
})

t.test('an answer is read with patience: nulls, numbers as text, single entries in place of lists, nothing at all', async (t) => {
  const { marketplace, orders } = await open(t)
  const orderInfo = (members: object) => ({ resultCode: 'MKT.0000', orderInfo: { orderId: order.orderId, orderType: 'NEW', ...members } })
  const bare = { kind: 'purchase', purchase: { orderId: order.orderId, orderType: 'NEW', products: [] } }
  const answers: Array<[body: unknown, meaning: object]> = [
    [orderInfo({}), bare],
    [orderInfo({ orderLine: null, buyerInfo: 'x' }), bare],
    [orderInfo({ orderLine: [] }), bare],
    [orderInfo({ orderLine: [{ chargingMode: null, periodNumber: null, productInfo: null }] }), bare],
    [orderInfo({ orderLine: { chargingMode: 'ONE_TIME', periodNumber: '3', productInfo: { productId: 7, linearValue: '50' } } }),
      { kind: 'purchase', purchase: { ...bare.purchase, chargingMode: 'ONE_TIME', periodNumber: 3, products: [{ productId: '7', amount: 50 }] } }],
  ]
  for (const [body, meaning] of answers) {
    marketplace.answer = { status: 200, body }
    t.same(await orders.find(order), meaning, JSON.stringify(body))
  }
})

t.test('everything else is a refusal', async (t) => {
  const { marketplace, orders } = await open(t, { timeoutSeconds: 0.2 })
  const answers: Array<[answer: typeof marketplace.answer, meaning: object]> = [
    [{ status: 200, body: { resultCode: 'MKT.0101', resultMsg: 'no such order' } }, { why: 'result', resultCode: 'MKT.0101' }],
    [{ status: 200, body: { ...answered, resultCode: 0 } }, { why: 'member', member: 'resultCode' }],
    [{ status: 200, body: { resultCode: 'MKT.0000' } }, { why: 'member', member: 'orderInfo' }],
    [{ status: 200, body: { ...answered, orderInfo: { ...answered.orderInfo, orderId: 'CS-other' } } }, { why: 'other-order' }],
    [{ status: 200, body: '<html>' }, { why: 'not-json' }],
    [{ status: 200 }, { why: 'not-json' }],
    [{ status: 401, body: answered }, { why: 'status', status: 401 }],
    [{ status: 302, body: answered }, { why: 'status', status: 302 }],
    [() => {}, { why: 'too-slow' }],
    [{ status: 200, body: { ...answered, resultMsg: ' '.repeat(262_144) } }, { why: 'too-large' }],
  ]
  for (const [answer, meaning] of answers) {
    marketplace.answer = answer
    t.match(await orders.find(order), { kind: 'refused', ...meaning })
  }
  await fc.assert(fc.asyncProperty(fc.jsonValue(), async (orderInfo) => {
    marketplace.answer = { status: 200, body: { resultCode: 'MKT.0000', orderInfo } }
    return (await orders.find(order)).kind === 'refused'
  }), { numRuns: 50 })
})

t.test('the second domain is asked only when the first cannot be reached', async (t) => {
  t.same(orderQueryBaseUrls('https://mkt.myhuaweicloud.com'), ['https://mkt.myhuaweicloud.com', 'https://mkt.myhuaweicloud.cn'])
  t.same(orderQueryBaseUrls('https://mkt-intl.myhuaweicloud.com/'), ['https://mkt-intl.myhuaweicloud.com/'])
  const second = await openSellerHook(t)
  second.answer = { status: 200, body: answered }
  const dead = await openSellerHook(t)
  dead.answer = (_call, response) => { response.socket?.destroy() }
  const away = await open(t, { baseUrls: [dead.url, second.url] })
  t.match(await away.orders.find(order), { kind: 'purchase' })

  const first = await openSellerHook(t)
  first.answer = { status: 503 }
  const there = await open(t, { baseUrls: [first.url, second.url] })
  t.match(await there.orders.find(order), { kind: 'refused', why: 'status', status: 503 })
  t.equal(second.calls.length, 1)
})

const instanceId = 'a' as InstanceId
const occurredAt = '20250101080000000' as PushVersion
const orderOfA = { orderId: 'CS-a', orderLineId: 'CS-a-000001' }
const createdEvent = { id: 'evt_1', type: 'instance.created', instanceId, occurredAt, order: orderOfA, details: {} } as const
const settle = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

async function build () {
  const clock = new ManualClock()
  const time = new ManualSchedule(clock)
  const directory = new InstanceDirectory(clock)
  await directory.create('a')
  const asked: Array<{ orderId: string, answer: (answer: OrderAnswer) => void }> = []
  const lines: object[] = []
  const learner = new LearnPurchase({
    orders: { find: ({ orderId }) => new Promise((resolve) => { asked.push({ orderId, answer: resolve }) }) },
    directory,
    clock,
    schedule: time.schedule,
    log: (level, line) => { lines.push({ level, ...line }) },
  })
  const boughtAs = (orderId: string): OrderAnswer => ({ kind: 'purchase', purchase: { orderId, orderType: 'NEW', products: [] } })
  const bought = () => directory.instances.get('a')?.purchase?.orderId
  return { time, directory, asked, lines, learner, boughtAs, bought }
}

const down = { kind: 'refused', why: 'unreachable' } as const

t.test('what was bought is kept before the event is told, and asked once', async (t) => {
  const { asked, learner, boughtAs, bought } = await build()
  const enriched = learner.enrich(createdEvent)
  await settle()
  asked[0]?.answer(boughtAs('CS-a'))
  await enriched
  t.equal(bought(), 'CS-a')
  await learner.enrich(createdEvent)
  for (const type of ['instance.frozen', 'instance.released', 'instance.renewed'] as const) await learner.enrich({ ...createdEvent, type })
  t.equal(asked.length, 1)
  const upgraded = learner.enrich({ ...createdEvent, type: 'instance.upgraded', order: { orderId: 'CS-up', orderLineId: 'CS-up-000001' } })
  await settle()
  asked[1]?.answer(boughtAs('CS-up'))
  await upgraded
  t.equal(bought(), 'CS-up', 'another order brings another purchase')
})

t.test('a slow order query holds the event up for 2 s and is believed later', async (t) => {
  const { time, asked, learner, boughtAs, bought } = await build()
  let isTold = false
  const enriched = learner.enrich(createdEvent).then(() => { isTold = true })
  await settle()
  time.advance(1_999)
  await settle()
  t.equal(isTold, false)
  time.advance(1)
  await enriched
  t.equal(bought(), undefined)
  asked[0]?.answer(boughtAs('CS-a'))
  await settle()
  t.equal(bought(), 'CS-a')
})

t.test('a failing order query is repeated in the background after 30 s, 2 and 10 minutes and an hour, then given up', async (t) => {
  const { time, directory, asked, lines, learner, boughtAs, bought } = await build()
  const enriched = learner.enrich(createdEvent)
  await settle()
  asked[0]?.answer(down)
  await enriched
  for (const pause of [30_000, 120_000, 600_000]) {
    await learner.enrich(createdEvent)
    t.equal(time.next, pause, 'another attempt of the event asks no earlier')
    time.advance(pause)
    await settle()
    asked.at(-1)?.answer(down)
    await settle()
  }
  directory.fault = new Error('disk full')
  time.advance(3_600_000)
  await settle()
  asked.at(-1)?.answer(boughtAs('CS-a'))
  await settle()
  t.equal(time.next, undefined)
  t.equal(asked.length, 5)
  t.match(lines, [
    { level: 'warn', event: 'order-query.failed', instanceId: 'a', orderId: 'CS-a', tries: 1, why: 'unreachable' }, {}, {}, { level: 'warn' },
    { level: 'error', tries: 5, err: { message: 'disk full' } },
  ])
  directory.fault = undefined
  const notified = learner.learn(instanceId, orderOfA)
  await settle()
  asked.at(-1)?.answer(boughtAs('CS-a'))
  await notified
  t.equal(bought(), 'CS-a', 'an order notification begins anew')
})

t.test('a late answer about an older order does not overwrite the newer one', async (t) => {
  const { asked, learner, boughtAs, bought } = await build()
  const older = learner.learn(instanceId, orderOfA)
  const newer = learner.learn(instanceId, { orderId: 'CS-up', orderLineId: '' })
  await settle()
  asked.find(({ orderId }) => orderId === 'CS-up')?.answer(boughtAs('CS-up'))
  await newer
  asked.find(({ orderId }) => orderId === 'CS-a')?.answer(boughtAs('CS-a'))
  await older
  t.equal(bought(), 'CS-up')
})

t.test('an instance that was renamed meanwhile is found by its order', async (t) => {
  const { directory, asked, learner, boughtAs } = await build()
  const learned = learner.learn(instanceId, orderOfA)
  await settle()
  await directory.push('a', { kind: 'provision', report: { kind: 'ready', instanceId: 'crm-7' as InstanceId } })
  asked[0]?.answer(boughtAs('CS-a'))
  await learned
  t.equal(directory.instances.get('crm-7')?.purchase?.orderId, 'CS-a')
})

t.test('closing calls off what is planned and waits for what is under way', async (t) => {
  const { time, asked, learner, boughtAs, bought } = await build()
  const learned = learner.learn(instanceId, orderOfA)
  await settle()
  asked[0]?.answer(down)
  await learned
  t.equal(time.next, 30_000)
  const second = learner.learn(instanceId, orderOfA)
  await settle()
  const closed = learner.close()
  t.equal(await Promise.race([closed, settle().then(() => 'waiting')]), 'waiting')
  asked[1]?.answer(boughtAs('CS-a'))
  await closed
  await second
  t.equal(bought(), 'CS-a')
  t.equal(time.next, undefined)
  await learner.learn(instanceId, { orderId: 'CS-other', orderLineId: '' })
  t.equal(asked.length, 2)
})
