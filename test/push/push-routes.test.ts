import { createHmac } from 'node:crypto'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { readFixture } from '../support/fixture.ts'
import { appId, buildPushGateway, isSignedWith, kitKey, pushPath, type PushGateway } from '../support/push-gateway.ts'

const tenantId = '68cbc86abc2018ab880d92f36422fa0e' as TenantId
const instanceId = 'huaiweitest123456' as InstanceId
const head = { instanceId, tenantId, flag: 1, testFlag: 0, timeStamp: '20250101080000000' }
const tenant = { ...head, orderId: 'CS1', tenantCode: 'acme', name: 'Acme', domainName: 'https://acme.tenantaccount.com' }
const user = { userName: 'zhangsan01', name: '张三', orgCode: '1', role: 'user', enable: 'true' }
const accounts = { ...head, appId, userList: [user], currentSyncTime: '20250101080000000' }

const fixtures = [
  'tenantSync', 'applicationSync', 'authSync', 'tenantSync-credential', 'singleOrgSync', 'allOrgSync', 'allOrgSync-string-list',
].map((name) => readFixture(`kit-v2-${name}`))
const interfaceOf = (fixture: { interface: string }): string => fixture.interface.split('-')[0] ?? ''

t.test('every recorded call is taken and answered byte for byte as recorded', async (t) => {
  for (const fixture of fixtures) {
    const { send, clock, directory } = await buildPushGateway(t)
    clock.set(fixture.nowMs)
    const { response } = await send(interfaceOf(fixture), fixture.request.rawBody, fixture.request.headers)
    t.equal(response.payload, fixture.response.body, fixture.id)
    t.equal(response.headers['body-sign'], fixture.response.headers['Body-Sign'])
    t.equal(directory.committed.length, 1)
  }
})

t.test('every recorded negative case verifies or not, as recorded', async (t) => {
  let cases = 0
  for (const fixture of fixtures) {
    for (const { why, change, verifies } of fixture.negative) {
      const { send, clock, directory } = await buildPushGateway(t)
      const { rawBody = fixture.request.rawBody, nowMs = fixture.nowMs, ...headerChanges } = change
      clock.set(nowMs)
      const headers = { ...fixture.request.headers, ...headerChanges }
      for (const [name, value] of Object.entries(headers)) if (value === null) delete headers[name]
      const { resultCode } = await send(interfaceOf(fixture), rawBody, headers)
      t.equal(resultCode, verifies ? '000000' : '000001', `${fixture.id}: ${why}`)
      t.equal(directory.committed.length, verifies ? 1 : 0)
      cases++
    }
  }
  t.equal(cases, 42)
})

t.test('the recorded calls arrive in the directory in its own words', async (t) => {
  const { send, directory } = await buildPushGateway(t)
  for (const fixture of fixtures) await send(interfaceOf(fixture), fixture.request.rawBody, fixture.request.headers)
  const version = '20250101080000000'
  t.match(directory.tenant('production', tenantId, instanceId), {
    name: '示例企业', tenantCode: 'huawei', orderId: 'CS1906666666ABCDE', authorizationServer: 'https://example.tenantaccount.com', isDeleted: false, version,
  })
  const binding = directory.binding('production', tenantId, appId, instanceId)
  t.equal(binding?.clientId, 'client-id-0001')
  t.equal(binding?.clientSecret?.reveal(), 'S3cret-Example-0001')
  t.same(directory.account('production', tenantId, appId, 'zhangsan01' as UserName, instanceId), {
    instanceId,
    userName: 'zhangsan01',
    name: '张三',
    departmentCode: '123456789',
    role: 'admin',
    isEnabled: true,
    isAuthorised: true,
    details: { position: '系统管理员', employeeCode: '', email: '', employeeType: '4', workPlace: '南京', entryDate: '2022-11-09' },
    isDeleted: false,
    version,
    lastLoss: '',
  })
  t.match(directory.account('production', tenantId, appId, 'lisi02' as UserName, instanceId), { role: 'user', isEnabled: false, details: {}, lastLoss: version })
  t.match(directory.tenant('test', tenantId, '' as InstanceId), { name: 'huaweitenantname', orderId: '' }, 'C-60: testFlag "1" is the other realm')
})

t.test('C-55: the window has two sides of 60 s each', async (t) => {
  for (const [offset, expected] of [[-60_001, '000001'], [-60_000, '000000'], [60_000, '000000'], [60_001, '000001']] as const) {
    const { send, clock } = await buildPushGateway(t)
    const body = JSON.stringify(tenant)
    const headers = signKitV2(kitKey, body, 'nonceofatestcall', clock.now() + offset)
    t.equal((await send('tenantSync', body, headers)).resultCode, expected, `${offset} ms`)
  }
})

t.test('headers of another form are refused, also when their signature would hold', async (t) => {
  const { send, directory, clock } = await buildPushGateway(t)
  const body = JSON.stringify(tenant)
  const now = clock.now()
  const good = signKitV2(kitKey, body, 'nonceofatestcall', now)
  const cases: Record<string, string>[] = [
    ...['', 'a', 'nonceofatestcal', 'n'.repeat(65), 'nonce of atestcall', 'nonceofätestcall', 'nonce-of-a-test-call'].map((nonce) => signKitV2(kitKey, body, nonce, now)),
    ...[Math.floor(now / 1000), now * 10, 0, -now].map((timestamp) => signKitV2(kitKey, body, 'nonceofatestcall', timestamp)),
    { ...good, 'x-timestamp': `${now}, ${now}` },
    { ...good, 'x-timestamp': ` ${now}`.replace(/\d$/, 'x') },
    { ...good, 'x-sign': good['x-sign'].slice(1) },
    { ...good, 'x-sign': `${good['x-sign']}0` },
    { ...good, 'x-sign': 'Z'.repeat(64) },
    { ...good, 'x-sign': '' },
    { 'x-sign': good['x-sign'], 'x-nonce': good['x-nonce'] },
    { 'x-sign': good['x-sign'], 'x-timestamp': good['x-timestamp'] },
    {},
  ]
  for (const [index, headers] of cases.entries()) t.equal((await send('tenantSync', body, headers)).resultCode, '000001', `case ${index}`)
  t.equal(directory.committed.length, 0)
})

t.test('all access keys are valid at once, and the answer is signed with the one that matched', async (t) => {
  const { push, log } = await buildPushGateway(t, { kitKeys: [new Secret('first-key'), new Secret('second-key')] })
  const second = await push('tenantSync', tenant, { key: 'second-key' })
  t.equal(second.resultCode, '000000')
  t.ok(isSignedWith(second.response, 'second-key'))
  t.match(log.at(-1), { event: 'push.received', interface: 'tenantSync', outcome: 'committed', keyIndex: 1, variant: 'canonical', realm: 'production', tenantId })
  const illegal = await push('tenantSync', { ...tenant, name: 1 }, { key: 'second-key' })
  t.equal(illegal.resultCode, '000002')
  t.ok(isSignedWith(illegal.response, 'second-key'))
  const foreign = await push('tenantSync', tenant, { key: 'third-key' })
  t.equal(foreign.resultCode, '000001')
  t.ok(isSignedWith(foreign.response, 'first-key'), 'with the first when none did')
})

t.test('each form of the signed text is accepted and logged', async (t) => {
  const body = `{ "userList": [{"role":"user","userName":"a","name":"A","orgCode":"1","enable":"true","mobile":null}], "orderId": null, ${JSON.stringify({ ...head, appId, currentSyncTime: '1' }).slice(1)}`
  const sortedUser = '[{"enable":"true","mobile":null,"name":"A","orgCode":"1","role":"user","userName":"a"}]'
  const receivedUser = '[{"role":"user","userName":"a","name":"A","orgCode":"1","enable":"true","mobile":null}]'
  const text = (users: string, nulls: string): string => `{"appId":"${appId}","currentSyncTime":"1","flag":1,"instanceId":"${instanceId}",${nulls}"tenantId":"${tenantId}","testFlag":0,"timeStamp":"20250101080000000","userList":${users}}`
  const forms = {
    canonical: text(receivedUser, ''), raw: body, 'all-levels-sorted': text(sortedUser, ''), 'nulls-kept': text(receivedUser, '"orderId":null,'),
  }
  for (const [variant, signed] of Object.entries(forms)) {
    const { send, clock, log } = await buildPushGateway(t)
    const timestamp = String(clock.now())
    const signature = createHmac('sha256', kitKey).update(`${kitKey}nonceofatestcall${timestamp}${signed}`).digest('hex')
    const { resultCode } = await send('authSync', body, { 'x-timestamp': timestamp, 'x-nonce': 'nonceofatestcall', 'x-sign': signature })
    t.equal(resultCode, '000000', variant)
    t.equal(log.at(-1)?.variant, variant)
  }
})

t.test('C-56: the same signature again is answered with success and has no second effect, in either case of its digits', async (t) => {
  const { send, directory, clock, log } = await buildPushGateway(t)
  const body = JSON.stringify(tenant)
  const headers = signKitV2(kitKey, body, 'nonceofatestcall', clock.now())
  await send('tenantSync', body, headers)
  const again = await send('tenantSync', body, headers)
  const lower = await send('tenantSync', body, { ...headers, 'x-sign': headers['x-sign'].toLowerCase() })
  t.same([again.resultCode, lower.resultCode], ['000000', '000000'])
  t.same(log.map((line) => line.outcome), ['committed', 'repeated', 'repeated'])
  t.equal(directory.committed.length, 1)
  const [expiresAt = 0] = directory.receipts.values()
  t.ok(expiresAt > clock.now() + 120_000, 'the receipt outlives the window')
})

t.test('T-49: a border moved between nonce and time, or time and body, gives no second message, now or a day later', async (t) => {
  const { send, directory, clock } = await buildPushGateway(t)
  const body = JSON.stringify(tenant)
  // All digits at the nonce's end, so that they could pass for a time.
  const nonce = 'abcdefghijklmnopqrst173568960000'
  const headers = signKitV2(kitKey, body, nonce, clock.now())
  const timestamp = headers['x-timestamp']
  t.equal((await send('tenantSync', body, headers)).resultCode, '000000')
  const shifted: [string, string, string][] = []
  for (let by = 1; by <= 12; by++) {
    shifted.push([nonce + timestamp.slice(0, by), timestamp.slice(by), body])
    shifted.push([nonce.slice(0, -by), nonce.slice(-by) + timestamp, body])
    shifted.push([nonce, timestamp.slice(0, -by), timestamp.slice(-by) + body])
    // A time of the right length, and the rest pushed on into the body.
    shifted.push([nonce.slice(0, -by), nonce.slice(-by) + timestamp.slice(0, -by), timestamp.slice(-by) + body])
    shifted.push([nonce.slice(0, -by), nonce.slice(-by) + timestamp.slice(0, -by), timestamp.slice(-by) + body.replace('"flag":1', '"flag":0')])
  }
  for (const later of [0, 86_400_000]) {
    clock.advance(later)
    for (const [movedNonce, movedTime, movedBody] of shifted) {
      const { resultCode } = await send('tenantSync', movedBody, { 'x-nonce': movedNonce, 'x-timestamp': movedTime, 'x-sign': headers['x-sign'] })
      t.not(resultCode, '000000', `${movedNonce} ${movedTime}`)
    }
  }
  t.equal((await send('tenantSync', body, headers)).resultCode, '000001', 'the message itself is too old a day later')
  t.equal(directory.committed.length, 1)
})

t.test('T-50: what was verified is what is acted on; a text with two readings is refused though its signature holds', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const text = JSON.stringify(accounts)
  const twoReadings = [
    text.replace('{', '{"tenantId":"other",'),
    text.replace('"flag":1', '"flag":0,"flag":1'),
    text.replace('"flag":1', '"flag":1,"\\u0066lag":3'),
    text.replace('"role":"user"', '"role":"admin","role":"user"'),
    text.replace('{', '{"x":{"y":[{"__proto__":1,"__proto__":2}]},'),
  ]
  for (const [index, body] of twoReadings.entries()) {
    const { resultCode, resultMsg } = await push('authSync', body)
    t.equal(resultCode, '000002', `case ${index}`)
    t.match(resultMsg, 'twice')
  }
  t.equal(directory.committed.length, 0)
  const oneReading = [
    text.replace('"flag":1', '"flag":1e0'),
    text.replace('"flag":1', '"flag":1.0'),
    text.replace('"role":"user"', '"r\\u006fle":"us\\u0065r"'),
    text.replace('{', '{"flaG":3,"x":123456789012345678901234567890,"y":{"z":null},"n":null,'),
    text.replace('{', '{"__proto__":{"flag":3,"userList":[]},"constructor":{"prototype":{"flag":3}},'),
  ]
  for (const [index, body] of oneReading.entries()) {
    t.equal((await push('authSync', body)).resultCode, '000000', `case ${index}`)
    t.match(directory.committed.at(-1), { change: 'add', accounts: [{ userName: 'zhangsan01', role: 'user' }] })
  }
})

t.test('bodies that cannot be read are refused with 000002 and never crash', async (t) => {
  const { send, clock, directory, log } = await buildPushGateway(t)
  const deep = '['.repeat(100_000)
  const bodies: [string | Buffer, string][] = [
    ['', 'body-not-json-object'], ['null', 'body-not-json-object'], ['[]', 'body-not-json-object'], ['"x"', 'body-not-json-object'], ['{"a":', 'body-not-json-object'],
    ['<xml/>', 'body-not-json-object'], ['flag=1&testFlag=0', 'body-not-json-object'], ['\uFEFF{}', 'body-not-json-object'], ['{"a":NaN}', 'body-not-json-object'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'body-not-json-object'], [Buffer.from('{"a":1}', 'utf16le'), 'body-not-json-object'],
    [gzipSync(JSON.stringify(tenant)), 'body-not-json-object'], [`{"a":${deep}`, 'body-too-complex'], ['{"a":"\\ud800"}', 'body-not-json-object'],
  ]
  const headers = signKitV2(kitKey, '{}', 'nonceofatestcall', clock.now())
  for (const [body, outcome] of bodies) {
    t.equal((await send('tenantSync', body, headers)).resultCode, '000002')
    t.equal(log.at(-1)?.outcome, outcome)
  }
  t.equal(directory.committed.length, 0)
})

t.test('T-22: the content type decides nothing', async (t) => {
  const { push, send, clock } = await buildPushGateway(t)
  const odd = [
    'application/json', 'Application/JSON;charset=utf8', 'application/json\t; charset=utf-8', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
    'application/octet-stream', 'application/json, text/plain', 'json', ';', 'a/b/c', '*/*', 'application/json; charset=utf-16', 'undefined',
  ]
  for (const contentType of odd) {
    t.equal((await push('tenantSync', tenant, { headers: { 'content-type': contentType } })).resultCode, '000000', contentType)
    t.equal((await push('tenantSync', { ...tenant, tenantId: 1 }, { headers: { 'content-type': contentType } })).resultCode, '000002', contentType)
  }
  const body = JSON.stringify(tenant)
  t.equal((await send('tenantSync', Buffer.from(body), signKitV2(kitKey, body, 'nonceofatestcall', clock.now()))).resultCode, '000000', 'none at all')
})

t.test('an unknown interface and a wrong method get a signed answer of the protocol', async (t) => {
  const { app, push, log } = await buildPushGateway(t)
  for (const name of ['orderSync', 'tenantsync', 'tenantSync/', 'tenantSync/x', '', '../orderSync', '../../tenantSync']) {
    const { resultCode, response } = await push(name, tenant)
    t.equal(resultCode, '000002', name)
    t.ok(isSignedWith(response, kitKey))
    t.match(log.at(-1), { event: 'push.received', interface: 'unknown', outcome: 'interface-unknown' })
  }
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const) {
    const response = await app.inject({ method, url: `${pushPath}/tenantSync?x=secret` })
    t.equal(response.statusCode, 200, method)
    t.match(response.json(), { resultCode: '000002' }, method)
  }
  t.notMatch(JSON.stringify(log), 'secret')
})

t.test('a storage fault is 000005, changes nothing, and the repeat succeeds', async (t) => {
  const { push, directory, log } = await buildPushGateway(t)
  directory.fault = Object.assign(new Error('disk gone'), { code: 'GW_STORAGE_UNAVAILABLE' })
  const { resultCode, resultMsg } = await push('tenantSync', tenant)
  t.equal(resultCode, '000005')
  t.notMatch(resultMsg, 'disk')
  t.match(log.at(-1), { level: 50, event: 'push.received', outcome: 'failed', err: { code: 'GW_STORAGE_UNAVAILABLE' } })
  directory.fault = undefined
  t.equal((await push('tenantSync', tenant)).resultCode, '000000')
})

t.test('a missing or wrong mandatory member is 000002, named, and nothing of the message is taken', async (t) => {
  const application = { ...head, appId, clientId: 'c', clientSecret: readFixture('application-secret-rsa-oaep').ciphertextBase64['OAEP-SHA256-MGF1-SHA256'] }
  const bodies = { tenantSync: tenant, applicationSync: application, authSync: accounts }
  const { push, directory } = await buildPushGateway(t)
  const refused = async (name: string, body: object, member: string): Promise<void> => {
    const { resultCode, resultMsg } = await push(name, body)
    t.equal(resultCode, '000002', `${name} ${member}`)
    t.equal(resultMsg, `illegal parameter: ${member}.`)
  }
  for (const [name, body] of Object.entries(bodies)) {
    for (const member of Object.keys(body)) {
      await refused(name, Object.fromEntries(Object.entries(body).filter(([key]) => key !== member)), member)
      // An empty instanceId is the credential stage, and null there its neighbour's spelling.
      if (member !== 'instanceId') await refused(name, { ...body, [member]: null }, member)
      for (const wrong of [{}, true, 1.5, []]) if (member !== 'userList' || !Array.isArray(wrong)) await refused(name, { ...body, [member]: wrong }, member)
    }
    for (const member of ['tenantId', 'instanceId', 'appId', 'clientId', 'tenantCode', 'orderId']) {
      if (member in body) await refused(name, { ...body, [member]: 'x'.repeat(65) }, member)
    }
    for (const timeStamp of ['', '2025', '20251301080000000', '20250132080000000', '20250101240000000', '2025010108000000a', '202501010800000000']) {
      await refused(name, { ...body, timeStamp }, 'timeStamp')
    }
    for (const flag of [4, -1, '', '01', 'add', name === 'authSync' ? 9 : 3]) await refused(name, { ...body, flag }, 'flag')
    for (const testFlag of [2, '', 'true', '1 ']) await refused(name, { ...body, testFlag }, 'testFlag')
  }
  for (const member of Object.keys(user)) {
    const bad = Object.fromEntries(Object.entries(user).filter(([key]) => key !== member))
    await refused('authSync', { ...accounts, userList: [user, { ...bad, userName: member === 'userName' ? null : 'b' }] }, `userList[1].${member}`)
  }
  const wrong = { role: 'root', enable: 'yes', userName: 'u'.repeat(65), name: '', position: 'p'.repeat(65), employeeType: 1.5, mobile: 'm'.repeat(33), email: 'e'.repeat(129), workPlace: 'w'.repeat(1025) }
  for (const [member, value] of Object.entries(wrong)) await refused('authSync', { ...accounts, userList: [{ ...user, [member]: value }] }, `userList[0].${member}`)
  await refused('authSync', { ...accounts, userList: ['x'] }, 'userList[0]')
  await refused('authSync', { ...accounts, userList: '[]' }, 'userList')
  t.equal(directory.committed.length, 0)
})

t.test('an application that is not ours is refused in production; in the test realm the marketplace uses fixed ids', async (t) => {
  const { push } = await buildPushGateway(t)
  for (const [name, body] of [['authSync', accounts], ['applicationSync', { ...head, appId, flag: 0 }]] as const) {
    for (const flag of [0, body.flag]) {
      t.match(await push(name, { ...body, flag, appId: 'other' }), { resultCode: '000002', resultMsg: 'illegal parameter: appId.' })
      t.match(await push(name, { ...body, flag, appId: 'other', testFlag: 1 }), { resultCode: '000000' })
    }
  }
})

t.test('deletions need the keys only, never fail for the unknown, and are taken again', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const keys = { instanceId, tenantId, testFlag: '0', timeStamp: '20250101080000000' }
  for (let round = 0; round < 2; round++) {
    t.equal((await push('tenantSync', { ...keys, flag: '0' })).resultCode, '000000')
    t.equal((await push('applicationSync', { ...keys, appId, flag: 0 })).resultCode, '000000')
    t.equal((await push('authSync', { ...keys, appId, flag: 0, userList: [{ userName: 'a' }, { userName: 'b', role: 'root', enable: 7, name: null }] })).resultCode, '000000')
    t.equal((await push('authSync', { ...keys, appId, flag: 3, userList: [{ userName: 'c' }] })).resultCode, '000000')
  }
  t.equal(directory.tenant('production', tenantId, instanceId)?.isDeleted, true)
  t.equal(directory.account('production', tenantId, appId, 'b' as UserName, instanceId)?.isDeleted, true)
  t.match(directory.account('production', tenantId, appId, 'c' as UserName, instanceId), { isDeleted: false, isAuthorised: false })
})

t.test('a modification keeps what is absent or null and clears what is empty', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const at = (timeStamp: string): object => ({ instanceId, tenantId, flag: 2, testFlag: 0, timeStamp })
  await push('tenantSync', tenant)
  await push('authSync', { ...accounts, userList: [{ ...user, position: 'p', mobile: '1', email: 'e@x' }] })
  t.equal((await push('tenantSync', { ...at('20250101080000001'), name: 'Renamed' })).resultCode, '000000')
  t.match(directory.tenant('production', tenantId, instanceId), { name: 'Renamed', authorizationServer: 'https://acme.tenantaccount.com', orderId: 'CS1' })
  const changed = { userName: 'zhangsan01', orgCode: '', mobile: '', email: null, enable: false, extension: { entryDate: '2022-11-9', employeeType: 2, workPlace: 7 } }
  t.equal((await push('authSync', { ...at('20250101080000001'), appId, userList: [changed] })).resultCode, '000000')
  t.match(directory.account('production', tenantId, appId, user.userName as UserName, instanceId), {
    name: '张三', role: 'user', departmentCode: '', isEnabled: false, details: { position: 'p', mobile: '', email: 'e@x' },
  })
  const nested = { userName: 'zhangsan01', workPlace: 'here', extension: { entryDate: '2022-11-9', employeeType: 2, workPlace: 'there' } }
  await push('authSync', { ...at('20250101080000002'), appId, userList: [nested] })
  t.match(directory.account('production', tenantId, appId, user.userName as UserName, instanceId)?.details, { workPlace: 'here', entryDate: '2022-11-9', employeeType: '2' })
  t.match(await push('tenantSync', { ...at('20250101080000003'), instanceId: 'unknown', name: 'x' }), { resultCode: '000002', resultMsg: 'illegal parameter: domainName.' })
})

t.test('T-42: users named like properties of every object are users', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']
  const body = { ...accounts, userList: names.map((userName) => ({ ...user, userName, extension: JSON.parse('{"__proto__":{"workPlace":"x"}}') as object })) }
  t.equal((await push('authSync', body)).resultCode, '000000')
  for (const name of names) t.match(directory.account('production', tenantId, appId, name as UserName, instanceId), { userName: name, details: {} })
  t.equal(directory.accounts.size, names.length)
  t.equal(({} as Record<string, unknown>).workPlace, undefined)
})

t.test('a secret that cannot be opened is 000101, only after the signature held', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const { ciphertextBase64 } = readFixture('application-secret-rsa-oaep')
  const body = { ...head, appId, clientId: 'c', clientSecret: ciphertextBase64['OAEP-SHA1-MGF1-SHA1'] }
  t.equal((await push('applicationSync', body)).resultCode, '000000')
  for (const clientSecret of ['plain text', 'AAAA', `${ciphertextBase64['OAEP-SHA1-MGF1-SHA1'].slice(0, -4)}AAAA`]) {
    t.equal((await push('applicationSync', { ...body, clientSecret })).resultCode, '000101')
    t.equal((await push('applicationSync', { ...body, clientSecret }, { key: 'other' })).resultCode, '000001')
  }
  t.match(await push('applicationSync', { ...body, clientSecret: '' }), { resultCode: '000002', resultMsg: 'illegal parameter: clientSecret.' })
  t.equal(directory.committed.length, 1)
})

t.test('5000 users in one body are taken', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const userList = Array.from({ length: 5000 }, (_, index) => ({ ...user, userName: `user${index}`, position: '工程师', workPlace: '南京', mobile: null, entryDate: '2022-11-09', email: 'a'.repeat(120) }))
  t.equal((await push('authSync', { ...accounts, userList })).resultCode, '000000')
  t.equal(directory.accounts.size, 5000)
})

t.test('T-38: neither body nor secret reaches the log', async (t) => {
  const { push, log } = await buildPushGateway(t)
  await push('tenantSync', { ...tenant, name: 'CANARY-name' })
  await push('authSync', { ...accounts, userList: [{ ...user, mobile: 'CANARY-mobile', role: 'CANARY-role' }] })
  await push('tenantSync', { ...tenant, 'CANARY-member': 1, flag: 'CANARY-flag' })
  for (const fixture of fixtures) await push(interfaceOf(fixture), fixture.request.rawBody)
  await push('tenantSync', 'x'.repeat(3)).catch(() => undefined)
  t.ok(log.length >= 7)
  for (const word of ['CANARY', 'S3cret-Example', 'dB24HzRSHH3XPSdUJ2Vu', kitKey, 'PRIVATE KEY']) t.notMatch(JSON.stringify(log), word)
})

async function listen (gateway: PushGateway): Promise<net.Socket> {
  await gateway.app.listen({ port: 0, host: '127.0.0.1' })
  return net.connect((gateway.app.server.address() as AddressInfo).port, '127.0.0.1')
}

/** Sends everything first and only then looks at the answer, as the marketplace's client does. */
async function exchange (socket: net.Socket, headLines: string[], pieces: Iterable<Buffer | string>): Promise<string> {
  const received: Buffer[] = []
  const answered = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => { received.push(chunk) }).once('end', resolve).once('error', reject)
  })
  socket.pause()
  socket.write([...headLines, 'Connection: close', '', ''].join('\r\n'))
  for (const piece of pieces) if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve))
  socket.resume()
  await answered
  return Buffer.concat(received).toString()
}

t.test('on the wire the header is spelled Body-Sign, the type is plain application/json, and the length is told', async (t) => {
  const gateway = await buildPushGateway(t)
  const socket = await listen(gateway)
  const body = JSON.stringify(tenant)
  const signed = Object.entries(signKitV2(kitKey, body, 'nonceofatestcall', gateway.clock.now())).map(([name, value]) => `${name}: ${value}`)
  const answer = await exchange(socket, [`POST ${pushPath}/tenantSync HTTP/1.1`, 'Host: x', `Content-Length: ${body.length}`, ...signed], [body])
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(answer, '\r\nBody-Sign: sign_type="HMAC-SHA256", signature="h+batMoAT19IaqeVmohshsKYK1a4ilCF+YuQO5zFLwo="\r\n')
  t.match(answer, /\r\ncontent-type: application\/json\r\n/i)
  t.match(answer, /\r\ncontent-length: 46\r\n/i)
  t.ok(answer.endsWith('\r\n\r\n{"resultCode":"000000","resultMsg":"success."}'))
})

function * megabytes (count: number, frame: (piece: Buffer) => Buffer): Generator<Buffer> {
  const piece = frame(Buffer.alloc(1024 * 1024, 0x20))
  for (let sent = 0; sent < count; sent++) yield piece
}
const chunk = (piece: Buffer): Buffer => Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
function * followedBy (pieces: Iterable<Buffer>, end: string): Generator<Buffer | string> {
  yield * pieces
  yield end
}

t.test('a body of 20 MB gets a readable answer, whether its length is announced or not, with good headers or none', async (t) => {
  const length = 'Content-Length: 20971520'
  const chunked = 'Transfer-Encoding: chunked'
  for (const framing of [length, chunked]) {
    for (const [path, isStamped, resultCode] of [['tenantSync', true, '000002'], ['tenantSync', false, '000001'], ['unknown', true, '000002']] as const) {
      const gateway = await buildPushGateway(t)
      const socket = await listen(gateway)
      const stamp = isStamped ? Object.entries(signKitV2(kitKey, '{}', 'nonceofatestcall', gateway.clock.now())).map(([name, value]) => `${name}: ${value}`) : []
      const pieces = framing === chunked ? followedBy(megabytes(20, chunk), '0\r\n\r\n') : megabytes(20, (piece) => piece)
      const answer = await exchange(socket, [`POST ${pushPath}/${path} HTTP/1.1`, 'Host: x', framing, ...stamp], pieces)
      t.match(answer, /^HTTP\/1\.1 200 OK\r\n/, `${path} ${framing}`)
      t.match(answer, `{"resultCode":"${resultCode}"`)
      t.match(answer, '\r\nBody-Sign: ')
    }
  }
})

t.test('a client that leaves in the middle of its body harms nobody', async (t) => {
  const gateway = await buildPushGateway(t)
  const socket = await listen(gateway)
  const stamp = Object.entries(signKitV2(kitKey, '{}', 'nonceofatestcall', gateway.clock.now())).map(([name, value]) => `${name}: ${value}`)
  const accepted = new Promise((resolve) => gateway.app.server.once('request', (request) => request.once('close', resolve)))
  socket.write([`POST ${pushPath}/tenantSync HTTP/1.1`, 'Host: x', 'Content-Length: 1000', ...stamp, '', '{"a":'].join('\r\n'), () => socket.destroy())
  await accepted
  t.equal((await gateway.push('tenantSync', tenant)).resultCode, '000000')
  t.equal(gateway.directory.committed.length, 1)
})

t.test('a body that dribbles in for too long ends with its connection and is forgotten', { timeout: 5_000 }, async (t) => {
  const gateway = await buildPushGateway(t, { bodyPatienceMilliseconds: 50 })
  const socket = await listen(gateway)
  const stamp = Object.entries(signKitV2(kitKey, '{}', 'nonceofatestcall', gateway.clock.now())).map(([name, value]) => `${name}: ${value}`)
  socket.on('error', () => {})
  socket.write([`POST ${pushPath}/tenantSync HTTP/1.1`, 'Host: x', 'Content-Length: 16777216', ...stamp, '', '{"a":'].join('\r\n'))
  await new Promise((resolve) => socket.once('close', resolve))
  t.equal((await gateway.push('tenantSync', tenant)).resultCode, '000000')
  t.strictSame(gateway.log.flatMap(({ outcome }) => outcome ?? []), ['body-broken', 'committed'])
})

t.test('T-39: large bodies share what room there is; who has none is told so, small ones always have some, and room comes back', async (t) => {
  const gateway = await buildPushGateway(t, { bodyBudgetBytes: 1_000_000 })
  const holder = await listen(gateway)
  const stamp = Object.entries(signKitV2(kitKey, '{}', 'nonceofatestcall', gateway.clock.now())).map(([name, value]) => `${name}: ${value}`)
  holder.on('error', () => {})
  let gone: Promise<unknown> | undefined
  const held = new Promise((resolve) => gateway.app.server.once('request', (request, response) => {
    gone = new Promise((resolve) => response.once('close', resolve))
    let seen = 0
    request.on('data', (chunk) => { if ((seen += (chunk as Buffer).length) >= 900_000) resolve(seen) })
  }))
  holder.write([`POST ${pushPath}/tenantSync HTTP/1.1`, 'Host: x', 'Content-Length: 16777216', ...stamp, '', ''].join('\r\n'))
  holder.write(Buffer.alloc(900_000, 0x20))
  await held
  const large = { ...tenant, unknown: 'x'.repeat(400_000) }
  t.match(await gateway.push('tenantSync', large), { resultCode: '000005', resultMsg: /too many large bodies/ })
  t.equal((await gateway.push('tenantSync', tenant)).resultCode, '000000')
  holder.destroy()
  await gone
  t.equal((await gateway.push('tenantSync', large)).resultCode, '000000')
})

t.test('C-57: a message about one tenant leaves the rows of every other as they were', async (t) => {
  const { push, directory } = await buildPushGateway(t)
  const other = 'other' as TenantId
  const { ciphertextBase64 } = readFixture('application-secret-rsa-oaep')
  const all = (tenantId: string, flag: number, timeStamp: string): [string, object][] => [
    ['tenantSync', { ...tenant, tenantId, flag, timeStamp }],
    ['applicationSync', { ...head, tenantId, appId, clientId: 'c', clientSecret: ciphertextBase64['OAEP-SHA256-MGF1-SHA1'], flag, timeStamp }],
    ['authSync', { ...accounts, tenantId, flag, timeStamp }],
  ]
  for (const [name, body] of all(other, 1, '20250101080000000')) t.equal((await push(name, body)).resultCode, '000000')
  const before = await directory.viewAccess('production', other, appId, user.userName as UserName)
  for (const [name, body] of [...all(tenantId, 1, '20260101080000000'), ...all(tenantId, 2, '20260201080000000'), ...all(tenantId, 0, '20260301080000000')]) {
    t.equal((await push(name, body)).resultCode, '000000')
  }
  // C-60: the same tenant's debugging messages are in another name space.
  for (const [name, body] of all(other, 0, '20260101080000000')) t.equal((await push(name, { ...body, testFlag: 1 })).resultCode, '000000')
  t.same(await directory.viewAccess('production', other, appId, user.userName as UserName), before)
})
