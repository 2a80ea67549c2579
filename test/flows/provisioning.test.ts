import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { InstanceId } from '../../src/directory/model.ts'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { openTestGateway, productionKey, type TestGateway } from '../support/build-gateway.ts'
import { openSellerHook } from '../support/seller-hook.ts'
import { until } from '../support/signed-in.ts'

const order = { orderId: 'CS2211181819B4LVS', orderLineId: 'CS2211181819B4LVS-000001' }
const instanceId = '87b94795-0603-4e24-8ae5-69420d60e3c8'

/** A base interface V2, as the marketplace calls it. */
async function call ({ url, clock }: TestGateway, members: Record<string, string>): Promise<Record<string, unknown>> {
  clock.advance(1)
  const body = JSON.stringify({ testFlag: '0', ...members })
  const query = new URLSearchParams({ ...signBaseV2(productionKey, body, randomBytes(16).toString('hex'), clock.now()) })
  const answer = await fetch(`${url}/_gate/marketplace?${query.toString()}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  return await answer.json() as Record<string, unknown>
}

t.test('the whole gateway tells the hook what is waiting, also after a restart, in order; its answer becomes ours', async (t) => {
  const hook = await openSellerHook(t)
  hook.answer = { status: 503 }
  const env = { JOINTGATE_PROVISIONING_URL: `${hook.url}/events`, JOINTGATE_PROVISIONING_SECRETS: `whsec_${randomBytes(32).toString('base64')}` }
  const first = await openTestGateway(t, { env })
  const newInstance = { activity: 'newInstance', businessId: instanceId, ...order }
  const startedAt = performance.now()
  t.match(await call(first, newInstance), { resultCode: '000004' })
  t.ok(performance.now() - startedAt < 5_000, 'the marketplace does not wait for a hook that fails')
  t.match(await call(first, { activity: 'queryInstance', instanceId }), { resultCode: '000004' })
  t.match(await call(first, { activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' }), { resultCode: '000000' })
  t.match(await call(first, { ...newInstance, testFlag: '1' }), { resultCode: '000000' }, 'debugging waits for nobody')
  const attempts = hook.calls.length
  t.ok(attempts > 0)
  await first.close()

  hook.answer = { status: 200, body: { status: 'ready', frontEndUrl: 'https://app.example.com/customer-1' } }
  const { clock, dataFolder, upstream } = first
  clock.advance(60_000)
  const second = await openTestGateway(t, { env, clock, dataFolder, upstream })
  await until(() => hook.calls.length >= attempts + 2)
  const typesOf = (calls: typeof hook.calls) => calls.map(({ body }) => (JSON.parse(body) as { type: string }).type)
  t.same(new Set(typesOf(hook.calls.slice(0, attempts))), new Set(['instance.created']), 'what comes later waits for its turn')
  t.same(typesOf(hook.calls.slice(attempts)), ['instance.created', 'instance.frozen'])
  t.equal(hook.calls[attempts]?.headers['webhook-id'], hook.calls[0]?.headers['webhook-id'], 'one event, one name')
  t.match(await call(second, { activity: 'queryInstance', instanceId }), {
    resultCode: '000000', info: [{ instanceId, appInfo: { frontEndUrl: 'https://app.example.com/customer-1' } }],
  })
})

t.test('the whole gateway asks for what was bought, keeps it and tells the hook of it; orderNotify asks for what could not be told', async (t) => {
  const hook = await openSellerHook(t)
  const marketplace = await openSellerHook(t)
  const bought = ({ orderId, orderLineId }: typeof order) => ({
    resultCode: 'MKT.0000',
    orderInfo: { orderId, orderType: 'NEW', orderLine: [{ orderLineId, productInfo: [{ productId: 'OFFI1', linearValue: 50 }] }] },
  })
  const gateway = await openTestGateway(t, {
    env: {
      JOINTGATE_PROVISIONING_URL: hook.url,
      JOINTGATE_PROVISIONING_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
      JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'AK1',
      JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: 'sk-for-tests-0001',
      JOINTGATE_ORDER_QUERY_URL: marketplace.url,
    },
  })
  const purchaseOf = async (id: string) => (await gateway.storage.directory.findInstances('production', [id as InstanceId]))[0]?.purchase

  marketplace.answer = { status: 200, body: bought(order) }
  t.match(await call(gateway, { activity: 'newInstance', businessId: instanceId, ...order }), { resultCode: '000000' })
  t.match(marketplace.calls, [{ method: 'GET', path: new RegExp(`/order/query\\?orderId=${order.orderId}`), headers: { authorization: /^SDK-HMAC-SHA256 Access=AK1, / } }])
  const products = [{ productId: 'OFFI1', amount: 50 }]
  t.match(JSON.parse(hook.calls[0]?.body ?? ''), { type: 'instance.created', data: { purchase: { products } } })
  t.match(await purchaseOf(instanceId), { products })

  marketplace.answer = { status: 500 }
  const second = { orderId: 'CS-second', orderLineId: 'CS-second-000001' }
  t.match(await call(gateway, { activity: 'newInstance', businessId: 'second-instance', ...second }), { resultCode: '000000' }, 'the purchase does not wait for it')
  t.equal(await purchaseOf('second-instance'), undefined)
  marketplace.answer = { status: 200, body: bought(second) }
  t.match(await call(gateway, { activity: 'orderNotify', ...second }), { resultCode: '000000' })
  await until(async () => await purchaseOf('second-instance') !== undefined)
  t.notOk(gateway.logLines.join('').includes('sk-for-tests-0001'), 'the secret is in no log line (T-38)')
})
