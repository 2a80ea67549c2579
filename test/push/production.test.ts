import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { Instance } from '../../src/directory/instance.ts'
import type { InstanceId, PushVersion } from '../../src/directory/model.ts'
import type { InstancePush } from '../../src/directory/push-message.ts'
import type { ChangeAnswer } from '../../src/provisioning/ask-change.ts'
import { createReadRecord } from '../../src/push/read-record.ts'
import { openAesField, sealAesField } from '../../src/push/signature/aes-field.ts'
import { signAuthTokenGet, signAuthTokenPost } from '../../src/push/signature/auth-token.ts'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { readFixture } from '../support/fixture.ts'
import {
  appId, buildPushGateway, frontEndUrl, isSignedWith, kitKey, productionKey, productionPath, rsaPrivateKey, v1Key, type PushGateway,
} from '../support/push-gateway.ts'

const instanceId = '10e758d0-31ad-4c4b-8f1b-81d03469a10e' as InstanceId
const order = { orderId: 'CS1', orderLineId: 'CS1-000001' }
const newInstance = { activity: 'newInstance', businessId: instanceId, ...order }
const newInstanceV1 = { activity: 'newInstance', businessId: instanceId, orderId: 'CS1', productId: 'P1', customerId: 'C1' }
const v2Calls = {
  refreshInstance: { activity: 'refreshInstance', scene: 'RENEWAL', ...order, instanceId, expireTime: '20261124023618', productId: 'OFFI1' },
  updateInstanceStatus: { activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' },
  upgradeInstance: { activity: 'upgradeInstance', instanceId, ...order },
  releaseInstance: { activity: 'releaseInstance', instanceId, ...order },
}
const v1Calls = {
  refreshInstance: { activity: 'refreshInstance', instanceId, orderId: 'CS2', expireTime: '20280101000000' },
  instanceStatus: { activity: 'instanceStatus', instanceId, instanceStatus: 'FREEZE' },
  expireInstance: { activity: 'expireInstance', instanceId, orderId: 'CS1' },
  upgrade: { activity: 'upgrade', instanceId, orderId: 'CS3', skuCode: 'S1', productId: 'P2' },
  releaseInstance: { activity: 'releaseInstance', instanceId, orderId: 'CS1' },
}

const fixtureNames = {
  'base-v2': ['newInstance', 'queryInstance', 'refreshInstance', 'updateInstanceStatus', 'upgradeInstance', 'changeInstanceCheck', 'orderNotify', 'releaseInstance'],
  'base-v1': ['newInstance', 'queryInstance', 'refreshInstance', 'instanceStatus', 'expireInstance', 'upgrade', 'releaseInstance'],
  'kit-v1': ['tenantSync', 'applicationSync', 'authSync', 'singleOrgSync', 'allOrgSync'],
}
const fixtures = Object.entries(fixtureNames).flatMap(([family, names]) => names.map((name) => readFixture(`${family}-${name}`)))

/** A recorded request as it would reach us, with some parts of it changed. */
function requestOf (fixture: { request: { method: 'GET' | 'POST', url: string, headers: Record<string, string>, rawBody?: string } }, change: { rawBody?: string, url?: string } = {}) {
  const { method, url, headers, rawBody } = { ...fixture.request, ...change }
  return { method, url: url.replace('https://isv.example.com/saas', productionPath), headers, ...(rawBody !== undefined && { payload: rawBody }) }
}

/** The instances that the recorded calls are about. */
async function seedFixtureInstances ({ callV2 }: PushGateway): Promise<void> {
  for (const id of [instanceId, 'huaiweitest123456', 'ebc28eb6-4606-4098-b4bd-c201c99a0654', 'fe28e27e-1157-4105-8592-24cc9488db10']) {
    await callV2({ activity: 'newInstance', businessId: id, orderId: `order of ${id}`, orderLineId: '1', testFlag: '1' })
  }
}

t.test('every recorded call is taken and answered as recorded', async (t) => {
  for (const fixture of fixtures) {
    const gateway = await buildPushGateway(t)
    await seedFixtureInstances(gateway)
    const { response } = await gateway.inject(requestOf(fixture))
    const recorded = JSON.parse(fixture.response.body) as Record<string, unknown>
    if (/queryInstance|base-v2-newInstance/.test(fixture.id)) {
      // The recorded answers show no access data, or a user name and a password, which we have none of.
      const { resultCode, resultMsg, instanceId } = recorded
      t.match(response.json(), { resultCode, resultMsg, ...(instanceId !== undefined && { instanceId }) }, fixture.id)
      t.ok(isSignedWith(response, fixture.secret.accessKey))
    } else {
      t.equal(response.payload, fixture.response.body, fixture.id)
      t.equal(response.headers['body-sign'], fixture.response.headers['Body-Sign'])
    }
  }
  t.equal(fixtures.length, 20)
})

t.test('every recorded negative case of Kit V1 is refused', async (t) => {
  const negativesOf = ({ negative = [] }: { negative?: { why: string, change: { rawBody: string } }[] }) => negative
  const negatives = fixtures.flatMap((fixture) => negativesOf(fixture).map((each) => ({ fixture, ...each })))
  for (const { fixture, why, change } of negatives) {
    const { inject, directory, log } = await buildPushGateway(t)
    const { resultCode } = await inject(requestOf(fixture, change))
    t.equal(resultCode, '000001', `${fixture.id}: ${why}`)
    t.match(log.at(-1), { outcome: 'signature-mismatch', generation: 'v1', family: 'kit' })
    t.equal(directory.committed.length + directory.records.length, 0)
  }
  t.equal(negatives.length, 5)
})

t.test('a base call that was changed, is too old, from the future or not signed is 000001, and nothing of it is kept', async (t) => {
  const fixture = readFixture('base-v2-newInstance')
  const v1 = readFixture('base-v1-newInstance')
  const { rawBody, url } = fixture.request as { rawBody: string, url: string }
  const nonce = 'Of4lsV7H1qrzVDI52O5CFk2ofPcZRaA6'
  const cases: [string, { rawBody?: string, url?: string } | undefined, object, number, string][] = [
    ['body changed', { rawBody: rawBody.replace('87b9', '87b8') }, fixture, 0, 'signature-mismatch'],
    ['other nonce', { url: url.replace(nonce, nonce.toLowerCase()) }, fixture, 0, 'signature-mismatch'],
    ['no signature', { url: url.replace(/\?.*/, '') }, fixture, 0, 'signature-missing'],
    ['signature twice', { url: `${url}&signature=x` }, fixture, 0, 'signature-malformed'],
    ['older than 60 s', {}, fixture, 60_000, 'signature-stale'],
    ['more than 60 s ahead', {}, fixture, -62_000, 'signature-stale'],
    ['V1, a parameter changed', { url: v1.request.url.replace('testFlag=1', 'testFlag=0') }, v1, 0, 'signature-mismatch'],
    ['V1, a parameter added', { url: `${v1.request.url}&userId=x` }, v1, 0, 'signature-mismatch'],
    ['V1, a parameter twice', { url: `${v1.request.url}&orderId=x` }, v1, 0, 'names-repeated'],
    ['V1, no authToken', { url: v1.request.url.replace(/&authToken=.*/, '') }, v1, 0, 'signature-missing'],
    ['V1, nothing at all', { url: 'https://isv.example.com/saas' }, v1, 0, 'signature-missing'],
    ['V1, older than 10 minutes', {}, v1, 600_000, 'signature-stale'],
    ['V1, from the future', {}, v1, -602_000, 'signature-stale'],
  ]
  for (const [why, change, of, later, outcome] of cases) {
    const { inject, clock, directory, log } = await buildPushGateway(t)
    clock.advance(later)
    const { resultCode, response } = await inject(requestOf(of as typeof fixture, change))
    t.equal(resultCode, outcome === 'names-repeated' ? '000002' : '000001', why)
    t.match(log.at(-1), { outcome, family: 'production' }, why)
    t.ok(isSignedWith(response, productionKey), 'signed with the first production key')
    t.equal(directory.committed.length + directory.records.length, 0)
  }
})

t.test('V1: a plus sign that became a blank, and one that did not, are both read', async (t) => {
  for (const [text, variant] of [['a+b', 'plus-as-plus'], ['a b', 'plus-as-blank']] as const) {
    const { inject, directory, log } = await buildPushGateway(t)
    const query = signAuthTokenGet(v1Key, { ...newInstanceV1, customerName: text, timeStamp: '20250101000000000' }).replace(/a(%2B|%20)b/, 'a+b')
    t.equal((await inject({ method: 'GET', url: `${productionPath}?${query}` })).resultCode, '000000')
    t.equal(log.at(-1)?.variant, variant)
    t.equal(directory.instance('production', instanceId)?.buyer?.customerName, text)
  }
})

t.test('T-50: a V1 text that can be cut in two ways is refused though its token holds', async (t) => {
  const { callV1, directory, log } = await buildPushGateway(t)
  t.equal((await callV1({ ...newInstanceV1, customerName: 'x&expireTime=20990101000000' })).resultCode, '000001')
  t.match(log.at(-1), { outcome: 'signature-ambiguous' })
  t.equal(directory.committed.length, 0)
})

t.test('T-49: a border moved between nonce and time of a base call gives no second message, now or a day later', async (t) => {
  const { inject, directory, clock } = await buildPushGateway(t)
  const payload = JSON.stringify(newInstance)
  const nonce = 'abcdefghijklmnopqrst173568960000'
  const stamp = signBaseV2(productionKey, payload, nonce, clock.now())
  const send = async (changed: object) => inject({ method: 'POST', url: `${productionPath}?${new URLSearchParams({ ...stamp, ...changed }).toString()}`, payload })
  t.equal((await send({})).resultCode, '000000')
  for (const later of [0, 86_400_000]) {
    clock.advance(later)
    for (let by = 1; by <= 12; by++) {
      t.not((await send({ nonce: nonce + stamp.timestamp.slice(0, by), timestamp: stamp.timestamp.slice(by) })).resultCode, '000000')
      t.not((await send({ nonce: nonce.slice(0, -by), timestamp: nonce.slice(-by) + stamp.timestamp })).resultCode, '000000')
      t.not((await send({ nonce: nonce.slice(0, -by), timestamp: (nonce.slice(-by) + stamp.timestamp).slice(0, 13) })).resultCode, '000000')
    }
  }
  t.equal((await send({})).resultCode, '000001', 'the message itself is too old a day later')
  t.equal(directory.committed.filter(({ kind }) => kind === 'instance').length, 2, 'one creation, told once')
})

t.test('a key of the other kind opens no door: a Kit key signs no base call and a base key no Kit call', async (t) => {
  const keys = { kitKeys: [new Secret(kitKey)], productionKeys: [new Secret(productionKey)] }
  const { callV2, callV1, push, inject, directory, log } = await buildPushGateway(t, keys)
  const tenant = { instanceId, tenantId: 't', flag: 0, testFlag: 0, timeStamp: '20250101080000000' }
  const authtoken = signAuthTokenPost(productionKey, JSON.stringify(tenant))
  const refused = [
    await callV2(newInstance, { key: kitKey }), await callV1(newInstanceV1, { key: kitKey }), await push('tenantSync', tenant, { key: productionKey }),
    await inject({ method: 'POST', url: `${productionPath}/produceAPI/tenantSync`, headers: { authtoken }, payload: tenant }),
  ]
  t.same(refused.map(({ resultCode }) => resultCode), Array(4).fill('000001'))
  t.ok(isSignedWith(refused[0]!.response, productionKey))
  t.ok(isSignedWith(refused[3]!.response, kitKey))
  t.ok(log.every(({ outcome }) => outcome === 'signature-mismatch'))
  t.equal(directory.committed.length, 0)
  t.equal((await callV2(newInstance)).resultCode, '000000')
})

t.test('newInstance: the same order is the same instance, whatever its businessId and generation; another order never gets a taken id', async (t) => {
  const { callV2, callV1, directory } = await buildPushGateway(t)
  const first = await callV2(newInstance)
  t.match(first.response.json(), { resultCode: '000000', instanceId, appInfo: { frontEndUrl } })
  t.equal((await callV2({ ...newInstance, businessId: 'other' })).instanceId, instanceId)
  const second = await callV2({ ...newInstance, orderLineId: 'CS1-000002' })
  t.match(second.instanceId, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'its businessId is taken')
  t.equal((await callV2({ ...newInstance, orderLineId: 'CS1-000002' })).instanceId, second.instanceId)
  const v1 = await callV1({ ...newInstanceV1, orderId: 'CS9', businessId: 'b9' })
  t.match(v1.response.json(), { resultCode: '000000', encryptType: '1', instanceId: 'b9', appInfo: { frontEndUrl } })
  t.equal((await callV1({ ...newInstanceV1, orderId: 'CS9', businessId: 'b10' })).instanceId, 'b9')
  const onDemand = { ...newInstanceV1, orderId: 'CS10', chargingMode: '0' }
  t.not((await callV1({ ...onDemand, businessId: 'd1' })).instanceId, (await callV1({ ...onDemand, businessId: 'd2', productId: 'P2' })).instanceId, 'on demand a product is a purchase')
  t.match(directory.instance('production', instanceId), { isTold: true, provisioning: 'ready', order })
})

t.test('the messages arrive in the directory in its own words', async (t) => {
  const { callV2, callV1, directory } = await buildPushGateway(t)
  const took = async (reply: Promise<{ resultCode: string }>, change: object): Promise<void> => {
    const { resultCode } = await reply
    t.equal(resultCode, '000000', JSON.stringify(change))
    const push = directory.committed.at(-1) as InstancePush
    t.match(push, { kind: 'instance', realm: 'production', version: '20250101080001500', instanceId, change })
  }
  await callV2(newInstance)
  const renewal = { kind: 'renew', order, expiresAt: Date.UTC(2026, 10, 24, 2, 36, 18), productId: 'OFFI1' }
  for (const scene of ['RENEWAL', 'TRIAL_TO_FORMAL', 'UNSUBSCRIBE_RENEWAL_PERIOD', 'RENEWAL_CHANGE']) {
    await took(callV2({ ...v2Calls.refreshInstance, scene }), { ...renewal, scene })
  }
  await took(callV2({ ...v2Calls.refreshInstance, expireTime: '20261124023618123', productId: null }), { kind: 'renew', expiresAt: renewal.expiresAt + 123, productId: undefined })
  await took(callV2(v2Calls.updateInstanceStatus), { kind: 'status', status: 'frozen' })
  await took(callV2({ ...v2Calls.updateInstanceStatus, status: 'UNFREEZE' }), { kind: 'status', status: 'normal' })
  await took(callV2(v2Calls.upgradeInstance), { kind: 'upgrade', order, details: {} })
  const v1Order = { orderId: 'CS2', orderLineId: '' }
  await took(callV1({ ...v1Calls.refreshInstance, productId: '', trialToFormal: '' }), { kind: 'renew', scene: 'RENEWAL', order: v1Order, expiresAt: Date.UTC(2028, 0), productId: undefined })
  await took(callV1({ ...v1Calls.refreshInstance, trialToFormal: '1', productId: 'P9' }), { kind: 'renew', scene: 'TRIAL_TO_FORMAL', order: v1Order, productId: 'P9' })
  await took(callV1(v1Calls.instanceStatus), { kind: 'status', status: 'frozen' })
  await took(callV1({ ...v1Calls.instanceStatus, instanceStatus: 'NORMAL' }), { kind: 'status', status: 'normal' })
  await took(callV1(v1Calls.expireInstance), { kind: 'status', status: 'expired' })
  const extendParams = Buffer.from('[{"name":"idNum","value":"1"}]').toString('base64')
  const upgrade = { kind: 'upgrade', order: { orderId: 'CS3', orderLineId: '' }, productId: 'P2' }
  for (const saasExtendParams of [extendParams, encodeURIComponent(extendParams)]) {
    await took(callV1({ ...v1Calls.upgrade, amount: '30', diskSize: 'big', saasExtendParams }), { ...upgrade, details: { skuCode: 'S1', amount: '30', idNum: '1', diskSize: undefined } })
  }
  for (const saasExtendParams of ['%', 'x', 'W10=', Buffer.from('{"name":1}').toString('base64')]) {
    await took(callV1({ ...v1Calls.upgrade, orderId: `CS${saasExtendParams}`, saasExtendParams }), { ...upgrade, order: {}, details: { skuCode: 'S1' } })
  }
  await took(callV1(v1Calls.releaseInstance), { kind: 'release', orderId: 'CS1' })
  await took(callV2({ activity: 'releaseInstance', instanceId }), { kind: 'release', orderId: undefined })
})

t.test('a missing or wrong mandatory member is 000002, named, archived, and changes nothing', async (t) => {
  const { callV2, callV1, directory } = await buildPushGateway(t)
  const bodies = {
    ...v2Calls,
    newInstance,
    queryInstance: { activity: 'queryInstance', instanceId },
    orderNotify: { activity: 'orderNotify', ...order },
    changeInstanceCheck: { activity: 'changeInstanceCheck', instanceId, productInfo: {} },
  }
  const optional = new Set(['refreshInstance.productId', 'releaseInstance.orderId', 'releaseInstance.orderLineId'])
  const names = (body: object): string[] => Object.keys(body).filter((name) => name !== 'activity')
  let count = 0
  const refused = async (reply: Promise<{ resultCode: string, resultMsg: string }>, activity: string, member: string): Promise<void> => {
    t.match(await reply, { resultCode: '000002', resultMsg: `illegal parameter: ${member}.` }, `${activity} ${member}`)
    t.match(directory.records.at(-1), { interface: activity, outcome: 'member-illegal', resultCode: '000002' })
    count++
  }
  for (const [activity, body] of Object.entries(bodies)) {
    for (const member of names(body).filter((name) => !optional.has(`${activity}.${name}`))) {
      for (const wrong of [undefined, null, '', 1, [], true]) await refused(callV2({ ...body, [member]: wrong }), activity, member)
      if (/Id$/.test(member)) await refused(callV2({ ...body, [member]: 'x'.repeat(65) }), activity, member)
    }
  }
  const parameters = { ...v1Calls, newInstance: newInstanceV1, queryInstance: { activity: 'queryInstance', instanceId } }
  for (const [activity, query] of Object.entries(parameters)) {
    for (const member of names(query).filter((name) => `${activity}.${name}` !== 'newInstance.productId')) {
      const { [member]: _left, ...rest } = query as Record<string, string>
      await refused(callV1(rest), activity, member)
      await refused(callV1({ ...query, [member]: '' }), activity, member)
      await refused(callV1({ ...query, [member]: 'x'.repeat(101) }), activity, member)
    }
  }
  for (const expireTime of ['2026', '20261324023618', '202611240236181', '2026112402361800']) await refused(callV2({ ...v2Calls.refreshInstance, expireTime }), 'refreshInstance', 'expireTime')
  await refused(callV1({ ...newInstanceV1, expireTime: '20251301000000' }), 'newInstance', 'expireTime')
  await refused(callV1({ ...newInstanceV1, chargingMode: '0', productId: '' }), 'newInstance', 'productId')
  for (const ids of [',', 'a,', 'a,,b', Array.from({ length: 101 }, (_, at) => `i${at}`).join(','), 'x'.repeat(6501)]) await refused(callV2({ activity: 'queryInstance', instanceId: ids }), 'queryInstance', 'instanceId')
  t.equal(directory.committed.length, 0)
  t.equal(directory.records.length, count)
})

t.test('an unknown activity is 000002 and archived; each generation knows its own', async (t) => {
  const { callV2, callV1, directory, log } = await buildPushGateway(t)
  for (const activity of ['', 'NewInstance', 'upgrade', 'expireInstance', 'instanceStatus', 'toString', '__proto__', null, 1, {}]) {
    t.equal((await callV2({ activity, instanceId })).resultCode, '000002', JSON.stringify(activity))
  }
  for (const activity of ['upgradeInstance', 'changeInstanceCheck', 'orderNotify', 'constructor', '']) t.equal((await callV1({ activity, instanceId })).resultCode, '000002', activity)
  t.equal((await callV1({ instanceId })).resultCode, '000002', 'no activity')
  t.ok(log.every((line) => line.outcome === 'interface-unknown' && line.interface === 'unknown'))
  t.equal(directory.records.length, log.length)
})

t.test('refresh, status, upgrade and release of an unknown instance are 000003, archived and never remembered; repeats of the known succeed', async (t) => {
  const { callV2, callV1, directory } = await buildPushGateway(t)
  const round = async (resultCode: string): Promise<void> => {
    for (const body of Object.values(v2Calls)) t.equal((await callV2(body)).resultCode, resultCode, body.activity)
    for (const query of Object.values(v1Calls)) t.equal((await callV1(query)).resultCode, resultCode, `V1 ${query.activity}`)
  }
  await round('000003')
  t.equal(directory.records.length, 9)
  t.equal(directory.receipts.size + directory.answers.size, 0)
  await callV2(newInstance)
  await round('000000')
  // Another message at the same time: only its nonce differs.
  for (const body of Object.values(v2Calls)) t.equal((await callV2(body)).resultCode, '000000', body.activity)
})

const instance = (more: Partial<Instance>): Instance => ({
  instanceId,
  order,
  businessId: instanceId,
  version: '20250101080000000' as PushVersion,
  isTold: true,
  provisioning: 'ready',
  access: { frontEndUrl },
  usage: [],
  status: { value: 'normal', version: '' },
  expired: '',
  orders: {},
  released: '',
  lastLoss: '',
  ...more,
})

t.test('queryInstance answers what is stored, in the lengths of the tables, and with one code for all', async (t) => {
  const { callV2, callV1, directory } = await buildPushGateway(t)
  const put = (more: Partial<Instance>): void => { directory.instances.set(JSON.stringify(['production', more.instanceId ?? instanceId]), instance(more)) }
  const usage = [{ usageValue: 12.345678, statisticalTime: Date.UTC(2025, 0, 1, 2, 3, 4, 5), relatedInstanceId: 'r1', dashboardUrl: 'https://app.example.com/usage' }]
  put({ access: { frontEndUrl, adminUrl: 'https://app.example.com/admin', memo: '说明 😀' }, usage })
  put({ instanceId: 'long' as InstanceId, access: { frontEndUrl, adminUrl: 'x'.repeat(513), memo: 'x'.repeat(1025) } })
  put({ instanceId: 'pending' as InstanceId, provisioning: 'pending' })
  put({ instanceId: 'refused' as InstanceId, provisioning: 'refused', refusal: 'no seats' })
  const query = async (ids: string) => callV2({ activity: 'queryInstance', instanceId: ids })
  const { response } = await query(instanceId)
  t.ok(response.payload.includes('"memo":"\\u8bf4\\u660e \\ud83d\\ude00"'), 'ASCII only')
  t.same(response.json(), {
    resultCode: '000000',
    resultMsg: 'success.',
    info: [{
      instanceId,
      appInfo: { frontEndUrl, adminUrl: 'https://app.example.com/admin', memo: '说明 😀' },
      usageInfo: [{ relatedInstanceId: 'r1', usageValue: 12.3457, statisticalTime: '20250101020304005', dashboardUrl: 'https://app.example.com/usage' }],
    }],
  })
  t.same((await query(`long, ${instanceId},long`)).info?.map((info) => info.instanceId), ['long', instanceId], 'in the order of the question, once each')
  t.same((await query('long')).info, [{ instanceId: 'long', appInfo: { frontEndUrl } }])
  t.match((await callV1({ activity: 'queryInstance', instanceId: `${instanceId},long` })).response.json(), { resultCode: '000000', encryptType: '1', info: [{}, {}] })
  const codes = { pending: '000004', refused: '000005', unknown: '000003', [`${instanceId},pending`]: '000004', 'pending,refused': '000005', 'refused,unknown': '000003' }
  for (const [ids, resultCode] of Object.entries(codes)) t.equal((await query(ids)).resultCode, resultCode, ids)
  t.equal(directory.committed.length, 0)
  t.ok(directory.records.every((record) => record.interface === 'queryInstance'), 'archived all the same')
})

interface Hooked extends PushGateway { readonly woken: InstanceId[] }

/** A gateway whose seller's system answers an event by `report`. */
async function buildHooked (t: Test, react: (directory: PushGateway['directory'], instanceId: InstanceId) => Promise<unknown>): Promise<Hooked> {
  const woken: InstanceId[] = []
  const gateway: PushGateway = await buildPushGateway(t, {
    provisioningWaitMilliseconds: 20,
    provisioning: { wake: async (instanceId) => { woken.push(instanceId); await react(gateway.directory, instanceId) } },
  })
  return { ...gateway, woken }
}

const report = (instanceId: InstanceId, report: Extract<InstancePush['change'], { kind: 'provision' }>['report']): InstancePush =>
  ({ kind: 'instance', realm: 'production', version: '20250101080000000' as PushVersion, instanceId, change: { kind: 'provision', report } })

t.test('newInstance with a hook: what the seller\'s system says in time is answered; else "in process", and queryInstance tells how far it got', async (t) => {
  const ready = await buildHooked(t, (directory, id) => directory.commit(report(id, { kind: 'ready', instanceId: 'theirs' as InstanceId, frontEndUrl: 'https://app.example.com/i/1', memo: '好' })))
  t.match((await ready.callV2(newInstance)).response.json(), { resultCode: '000000', instanceId: 'theirs', appInfo: { frontEndUrl: 'https://app.example.com/i/1', memo: '好' } })
  t.match(ready.directory.instance('production', 'theirs' as InstanceId), { isTold: true })
  t.equal((await ready.callV2({ ...newInstance, businessId: 'again' })).instanceId, 'theirs')
  t.same(ready.woken, [instanceId], 'a ready one is not asked for again')

  const refused = await buildHooked(t, (directory, id) => directory.commit(report(id, { kind: 'refused', reason: 'no seats left' })))
  t.match(await refused.callV2(newInstance), { resultCode: '000005', resultMsg: /refused/ })
  t.match(await refused.callV1({ activity: 'queryInstance', instanceId }), { resultCode: '000005' })

  const slow = await buildHooked(t, () => new Promise(() => {}))
  for (const call of [slow.callV2(newInstance), slow.callV2({ ...newInstance, businessId: 'b2' })]) {
    const pending = await call
    t.match(pending.response.json(), { resultCode: '000004', instanceId })
    t.notHas(pending.response.json(), 'appInfo')
  }
  t.equal((await slow.callV2({ activity: 'queryInstance', instanceId })).resultCode, '000004')
  t.equal(slow.directory.records[0]?.resultCode, '000004')
  await slow.directory.commit(report(instanceId, { kind: 'ready', instanceId: 'too-late' as InstanceId }))
  t.match((await slow.callV2({ activity: 'queryInstance', instanceId })).info, [{ instanceId, appInfo: { frontEndUrl } }], 'the id that was told stays')

  const broken = await buildHooked(t, async () => { throw new Error('hook gone') })
  t.equal((await broken.callV2(newInstance)).resultCode, '000004')
  t.match(broken.log.find((line) => line.event === 'push.background-fault'), { what: 'wake', err: { message: 'hook gone' } })
})

t.test('an "in process" is not remembered: the same call again hears how far it got', async (t) => {
  const gateway = await buildHooked(t, () => new Promise(() => {}))
  const nonce = 'nonceofatestcall'
  t.equal((await gateway.callV2(newInstance, { nonce })).resultCode, '000004')
  await gateway.directory.commit(report(instanceId, { kind: 'ready' }))
  t.match((await gateway.callV2(newInstance, { nonce })).response.json(), { resultCode: '000000', instanceId, appInfo: { frontEndUrl } })
  t.equal(gateway.directory.committed.filter((push) => push.kind === 'instance' && push.change.kind === 'create').length, 1)
  t.match(gateway.log.at(-1), { outcome: 'repeated' })
})

t.test('the marketplace waits for the seller\'s system where an instance is made, never for a later change and never for debugging', async (t) => {
  const gateway = await buildHooked(t, (directory, id) => directory.commit(report(id, { kind: 'ready' })))
  await gateway.callV2({ ...newInstance, testFlag: 1 })
  for (const body of Object.values(v2Calls)) await gateway.callV2({ ...body, testFlag: '1' })
  t.same(gateway.woken, [])
  t.equal(gateway.directory.instance('test', instanceId)?.provisioning, 'ready', 'debugging asks nobody')
  await gateway.callV2(newInstance)
  for (const body of Object.values(v2Calls)) await gateway.callV2(body)
  t.same(gateway.woken, [instanceId])
})

t.test('T-49, C-56: the same signature again gets the same answer and has no second effect, of either generation and across restarts', async (t) => {
  const first = await buildPushGateway(t)
  const { directory, clock } = first
  const second = await buildPushGateway(t, { directory, clock })
  const timeStamp = '20250101000000000'
  const v2 = (body: object, nonce: string) => {
    const payload = JSON.stringify(body)
    const query = new URLSearchParams({ ...signBaseV2(productionKey, payload, nonce, clock.now()) }).toString()
    return { method: 'POST' as const, url: `${productionPath}/?${query}`, payload }
  }
  const calls = [
    v2(newInstance, 'nonceofatestcall1'), v2({ activity: 'queryInstance', instanceId }, 'nonceofatestcall2'), v2(v2Calls.refreshInstance, 'nonceofatestcall3'),
    v2({ activity: 'orderNotify', ...order }, 'nonceofatestcall4'),
    ...[newInstanceV1, v1Calls.instanceStatus, { activity: 'queryInstance', instanceId }].map((parameters) => ({
      method: 'GET' as const, url: `${productionPath}?${signAuthTokenGet(v1Key, { ...parameters, timeStamp })}`,
    })),
  ]
  const answers = []
  for (const call of calls) answers.push((await first.inject(call)).response.payload)
  const effects = directory.committed.length
  const archived = directory.records.length
  // What is stored may be another by now: the answer to the old question stays.
  directory.instances.set(JSON.stringify(['production', instanceId]), instance({ access: { frontEndUrl: 'https://changed.example.com' } }))
  for (const gateway of [first, second]) {
    for (const [at, call] of calls.entries()) {
      const { response } = await gateway.inject(call)
      t.equal(response.payload, answers[at], call.url.slice(0, 60))
      t.match(gateway.log.at(-1), { outcome: 'repeated', resultCode: '000000' })
    }
  }
  t.equal(directory.committed.length, effects)
  t.equal(directory.records.length, archived)
  const query = new URL(calls[0]!.url, 'http://x').searchParams
  query.set('signature', query.get('signature')!.toLowerCase())
  t.equal((await second.inject({ ...calls[0]!, url: `${productionPath}?${query.toString()}` })).response.payload, answers[0], 'in the other case of its digits')
  t.ok([...directory.receipts.values()].every((expiresAt) => expiresAt > clock.now() + 120_000), 'receipts outlive the window')
  clock.advance(600_000)
  t.equal((await second.inject(calls.at(-1)!)).resultCode, '000001', 'V1: ten minutes later it is too old')
  t.equal(await directory.sweep(clock.now()) > 0, false, 'and still remembered')
})

t.test('an id with a comma, which no query could name, is not taken: the instance gets one of its own', async (t) => {
  const gateway = await buildPushGateway(t)
  const { response } = await gateway.callV2({ ...newInstance, businessId: 'a,b', testFlag: '1' })
  const { instanceId } = response.json<{ instanceId: string }>()
  t.match(instanceId, /^[0-9a-f-]{36}$/)
  t.equal((await gateway.callV2({ activity: 'queryInstance', instanceId, testFlag: '1' })).resultCode, '000000')
})

t.test('C-60: testFlag 1 works in a realm of its own and never touches production', async (t) => {
  const { callV2, callV1, directory, log } = await buildPushGateway(t)
  await callV2(newInstance)
  const before = structuredClone(directory.instance('production', instanceId))
  for (const testFlag of ['1', 1]) {
    await callV2({ ...newInstance, orderId: `T${testFlag}`, testFlag })
    for (const body of [...Object.values(v2Calls), ...Object.values(v2Calls)]) t.equal((await callV2({ ...body, testFlag })).resultCode, '000000', body.activity)
  }
  for (const query of Object.values(v1Calls)) t.equal((await callV1({ ...query, testFlag: '1' })).resultCode, '000000', query.activity)
  t.same(directory.instance('production', instanceId), before)
  t.ok(log.slice(1).every(({ realm }) => realm === 'test'))
  for (const testFlag of ['true', true, '11', ' 1', [1], {}]) {
    const { resultCode, resultMsg } = await callV2({ ...v2Calls.updateInstanceStatus, testFlag })
    t.same([resultCode, resultMsg], ['000002', 'illegal parameter: testFlag.'], `testFlag ${JSON.stringify(testFlag)} is neither`)
  }
  for (const testFlag of ['0', 0, null, '', undefined]) {
    await callV2({ ...v2Calls.updateInstanceStatus, testFlag })
    t.equal(log.at(-1)?.realm, 'production', `testFlag ${JSON.stringify(testFlag)}`)
  }
})

t.test('changeInstanceCheck says yes only if the seller\'s system does', async (t) => {
  const check = { activity: 'changeInstanceCheck', instanceId, productInfo: { productId: 'P', linearValue: 20 } }
  const answers: [((question: unknown) => Promise<ChangeAnswer>) | undefined, string, RegExp][] = [
    [undefined, '000005', /could not check/],
    [async () => ({ kind: 'fits' }), '000000', /success/],
    [async () => ({ kind: 'unfit', reason: '20 seats are in use' }), '000005', /20 seats are in use/],
    [async () => ({ kind: 'unfit', reason: 'x'.repeat(400) }), '000005', /x{100}/],
    [async () => ({ kind: 'failed', why: 'unreachable' }), '000005', /could not check/],
    [async () => { throw new Error('gone') }, '000005', /internal error/],
  ]
  for (const [askChange, resultCode, resultMsg] of answers) {
    const questions: unknown[] = []
    const asked = askChange && (async (question: unknown) => { questions.push(question); return askChange(question) })
    const { callV2 } = await buildPushGateway(t, { provisioning: { ...(asked && { askChange: asked }) } })
    t.equal((await callV2(check)).resultCode, '000003', 'of an unknown instance nobody is asked')
    await callV2(newInstance)
    await callV2({ ...newInstance, testFlag: '1' })
    t.equal((await callV2({ ...check, testFlag: '1' })).resultCode, '000000', 'debugging')
    t.equal(questions.length, 0)
    t.match(await callV2(check), { resultCode, resultMsg })
    t.same(questions, asked ? [{ realm: 'production', instanceId, productInfo: check.productInfo }] : [])
  }
})

t.test('orderNotify is answered at once and has the order asked for behind it, not for debugging and not twice', async (t) => {
  const asked: unknown[] = []
  const { callV2, log } = await buildPushGateway(t, { provisioning: { refreshPurchase: async (order) => { asked.push(order); throw new Error('the order query is down') } } })
  const notice = { activity: 'orderNotify', ...order }
  t.equal((await callV2(notice, { nonce: 'nonceofatestcall' })).resultCode, '000000')
  t.equal((await callV2(notice, { nonce: 'nonceofatestcall' })).resultCode, '000000')
  t.equal((await callV2({ ...notice, testFlag: '1' })).resultCode, '000000')
  t.same(asked, [order])
  t.match(log.find((line) => line.event === 'push.background-fault'), { what: 'refresh-purchase' })
})

t.test('V1: a sealed telephone number and address are opened; what does not open is left out, logged and no reason to refuse', async (t) => {
  const { callV1, directory, log } = await buildPushGateway(t)
  const mobilePhone = sealAesField('13800000000', v1Key, '1', 'Uh2977H2620i0K25')
  const email = sealAesField('buyer@example.com', v1Key, '2', 'Uh2977H2620i0K25')
  t.equal((await callV1({ ...newInstanceV1, customerName: '示例 客户', userId: 'u', userName: 'n', mobilePhone, email, expireTime: '20270101000000' })).resultCode, '000000')
  t.match(directory.committed[0], {
    change: { buyer: { customerId: 'C1', customerName: '示例 客户', userId: 'u', userName: 'n', mobilePhone: '13800000000', email: 'buyer@example.com' }, expiresAt: Date.UTC(2027, 0), productId: 'P1' },
  })
  const foreign = sealAesField('buyer@example.com', 'another key', '1', 'Uh2977H2620i0K25')
  t.equal(openAesField(foreign, [new Secret(v1Key)]), undefined)
  t.equal((await callV1({ ...newInstanceV1, orderId: 'CS2', customerName: 'x'.repeat(65), mobilePhone: '13800000000', email: foreign })).resultCode, '000000')
  t.match(log.at(-1), { outcome: 'committed', unopened: ['mobilePhone', 'email'] })
  t.same((directory.committed.at(-2) as InstancePush & { change: { buyer: object } }).change.buyer, { customerId: 'C1' })
})

t.test('T-38: nothing of a V1 query reaches the log, whatever becomes of the call', async (t) => {
  const { callV1, inject, directory, log } = await buildPushGateway(t)
  const personal = { ...newInstanceV1, customerId: 'canary-customer', customerName: 'canary-name', userName: 'canary-user', mobilePhone: 'canary-phone', email: 'canary@example.com', businessId: 'b' }
  await callV1(personal)
  await callV1({ ...personal, orderId: '' })
  await callV1({ ...personal, activity: 'canary-activity' })
  await callV1(personal, { key: 'canary-key' })
  await inject({ method: 'GET', url: `${productionPath}?canary=canary&authToken=canary&%zz` })
  await inject({ method: 'PUT', url: `${productionPath}?canary=canary` })
  directory.fault = new Error('disk gone')
  await callV1({ ...personal, orderId: 'CS2' })
  t.equal(log.length, 7)
  t.match(log.at(-1), { level: 50, outcome: 'failed', err: { message: 'disk gone' } })
  t.notMatch(JSON.stringify(log), /canary/)
  t.match(log[0], { event: 'push.received', family: 'production', generation: 'v1', interface: 'newInstance', outcome: 'committed', variant: 'plus-as-plus', realm: 'production', instanceId: 'b' })
})

t.test('a failed store is 000005 and nothing is acknowledged; an archive that fails keeps no refusal back', async (t) => {
  const { callV2, directory, log } = await buildPushGateway(t, { pushLog: { append: async () => { throw new Error('archive gone') } } })
  directory.fault = Object.assign(new Error('disk gone'), { code: 'GW_STORAGE_UNAVAILABLE' })
  for (const body of [newInstance, v2Calls.releaseInstance, { activity: 'orderNotify', ...order }]) {
    t.match(await callV2(body), { resultCode: '000005', resultMsg: 'internal error.' }, body.activity)
  }
  directory.fault = undefined
  t.equal((await callV2({ ...newInstance, orderId: 1 })).resultCode, '000002')
  t.match(log.at(-2), { level: 50, event: 'push.background-fault', what: 'archive' })
  t.equal((await callV2(newInstance)).resultCode, '000000')
})

t.test('a crash between keeping a purchase and telling it: the repeat of the call goes on from there', async (t) => {
  const { callV2, directory } = await buildPushGateway(t)
  const keepAnswer = directory.keepAnswer.bind(directory)
  directory.keepAnswer = async () => { throw new Error('power cut') }
  const nonce = 'nonceofatestcall'
  t.equal((await callV2(newInstance, { nonce })).resultCode, '000005')
  directory.keepAnswer = keepAnswer
  t.match((await callV2(newInstance, { nonce })).response.json(), { resultCode: '000000', instanceId, appInfo: { frontEndUrl } })
})

t.test('keys are read with each call: a new one is valid at once, one taken out no longer, and its use is counted', async (t) => {
  const uses: unknown[][] = []
  const sets = [{ productionKeys: [new Secret('first')] }, { productionKeys: [new Secret('second'), new Secret('first')] }, { productionKeys: [new Secret('second')] }]
  let set = 0
  const keys = { current: () => ({ kitKeys: [], privateKeys: [], ...sets[set]! }) }
  const keyUsage = { use: async (...use: unknown[]) => { uses.push(use); throw new Error('not counted') } }
  const gateway = await buildPushGateway(t, { keys, keyUsage })
  const codes = []
  for (set = 0; set < 3; set++) {
    for (const key of ['first', 'second']) {
      const { resultCode, response } = await gateway.callV2(newInstance, { key })
      codes.push(resultCode)
      t.ok(isSignedWith(response, resultCode === '000000' ? key : set === 0 ? 'first' : 'second'))
    }
  }
  t.same(codes, ['000000', '000001', '000000', '000000', '000001', '000000'])
  const fingerprint = gateway.directory.records[0]?.keyFingerprint
  t.match(fingerprint, /^[0-9a-f]{8}$/)
  t.same(uses[0], ['production', fingerprint, gateway.clock.now()])
  t.equal(uses.length, 4)
  t.match(gateway.log.find((line) => line.event === 'push.background-fault'), { what: 'key-usage' })
})

t.test('other methods and places are 000002, signed; a base body ends at 1 MiB', async (t) => {
  const keys = { kitKeys: [new Secret(kitKey)], productionKeys: [new Secret(productionKey)] }
  const { app, inject, callV2, log } = await buildPushGateway(t, keys)
  for (const url of [productionPath, `${productionPath}/`, `${productionPath}?x=1`]) {
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const) {
      const { resultCode, response } = await inject({ method, url })
      t.equal(resultCode, '000002', `${method} ${url}`)
      t.ok(isSignedWith(response, productionKey))
    }
    const head = await app.inject({ method: 'HEAD', url })
    t.equal(head.statusCode, 200)
    t.type(head.headers['body-sign'], 'string')
  }
  for (const path of ['/produceAPI', '/produceAPI/', '/produceAPI/orderSync', '/newInstance', '/produceapi/tenantSync']) {
    const { resultCode, response } = await inject({ method: 'POST', url: productionPath + path, payload: {} })
    t.equal(resultCode, '000002', path)
    t.ok(isSignedWith(response, kitKey))
  }
  t.ok(log.every(({ outcome }) => outcome === 'interface-unknown'))
  const keyless = await buildPushGateway(t, { kitKeys: [new Secret(kitKey)], productionKeys: [] })
  t.ok(isSignedWith((await keyless.callV2(newInstance)).response, kitKey), 'without a key of the kind, with another')
  t.match(await callV2({ ...newInstance, x: 'x'.repeat(1024 * 1024) }), { resultCode: '000002', resultMsg: /too large/ })
  t.equal((await callV2({ ...newInstance, x: 'x'.repeat(900_000) })).resultCode, '000000')
})

t.test('on the wire a V1 answer is spelled as the marketplace wants it', async (t) => {
  const { app } = await buildPushGateway(t)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const call = request(requestOf(readFixture('base-v1-newInstance')).url.replace(productionPath, `${address}${productionPath}`)).end()
  const [response] = await once(call, 'response') as [IncomingMessage]
  response.resume()
  t.ok(response.rawHeaders.includes('Body-Sign'))
  t.equal(response.headers['content-type'], 'application/json')
  t.equal(response.statusCode, 200)
})

t.test('an archived call read again says what it said: the same messages, without signature, time or answer', async (t) => {
  const gateway = await buildPushGateway(t)
  const { callV2, callV1, inject, directory } = gateway
  const mobilePhone = sealAesField('13800000000', v1Key, '1', 'Uh2977H2620i0K25')
  await callV2(newInstance)
  await callV1({ ...newInstanceV1, orderId: 'CS7', businessId: 'b7', customerName: 'a+b c', mobilePhone })
  for (const body of Object.values(v2Calls)) await callV2(body)
  for (const query of Object.values(v1Calls)) await callV1({ ...query, instanceId: 'b7' })
  for (const fixture of fixtures.filter(({ id }) => /^kit/.test(id))) await inject(requestOf(fixture))
  await inject({ method: 'POST', url: requestOf(readFixture('kit-v2-applicationSync')).url, headers: readFixture('kit-v2-applicationSync').request.headers, payload: readFixture('kit-v2-applicationSync').request.rawBody })
  await callV2({ activity: 'queryInstance', instanceId })
  await callV2({ ...newInstance, orderId: '' })
  await callV2({ activity: 'orderNotify', ...order })
  const privateKey = new Secret(rsaPrivateKey.export({ format: 'pem', type: 'pkcs8' }) as string)
  const read = createReadRecord({
    rules: { appIds: [appId], frontEndUrl, hasHook: false, tenantDomains: [], dangerouslyAllowHttp: false },
    keys: { kitKeys: [new Secret(kitKey), new Secret(v1Key)], productionKeys: [new Secret(v1Key)], privateKeys: [privateKey] },
  })
  const messages = []
  for (const record of directory.records) messages.push(await read(record))
  const told = directory.committed.filter((push) => push.kind !== 'instance' || push.change.kind !== 'tell')
  const reread = messages.filter((message) => message !== undefined)
  t.same(reread.map(revealed), told.map(revealed))
  t.equal(told.length, 2 + 4 + 5 + 5 + 1)
  t.equal(messages.length - reread.length, 3, 'a query, a refusal and a notice told the directory nothing')
  const own = report(instanceId, { kind: 'ready' })
  t.same(await read({ receivedAt: 0, interface: 'gateway', generation: 'own', outcome: 'committed', resultCode: '', content: Buffer.from(JSON.stringify(own)) }), own)
})

/** `t.same` would find all secrets alike. */
function revealed (value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (Array.isArray(value)) return value.map(revealed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revealed(each)]))
}
