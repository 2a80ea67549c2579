import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { describeDiff } from '../../src/commands/pushes/diff-push.ts'
import { maskMembers } from '../../src/commands/pushes/mask-members.ts'
import { pushes } from '../../src/commands/pushes.ts'
import { createRecordReader } from '../../src/commands/pushes/record-reader.ts'
import { describePush } from '../../src/commands/pushes/show-push.ts'
import type { ArchivedPush } from '../../src/directory/push-log.ts'
import { fingerprintOf } from '../../src/push/push-keys.ts'
import { sealAesField } from '../../src/push/signature/aes-field.ts'
import { signAuthTokenGet, signAuthTokenPost } from '../../src/push/signature/auth-token.ts'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { appId, kitKey, openTestGateway, testEnvironment, toPushTime } from '../support/build-gateway.ts'
import { startJointgate } from '../support/run-jointgate.ts'

const productionKey = 'production-key-for-tests-0001-0123456789'
const env = { JOINTGATE_MARKETPLACE_PRODUCTION_KEYS: productionKey }
const clientSecret = 'client-secret-canary-1'

/** Everything in the pushes below that is a person's. */
const personal = [
  'zhangsan01', '张三丰', 'lisi-canary', '李四光', 'wangwu-canary', '王五常', 'Chief Canary', 'EMP-7788', '13800001234', 'zhangsan@canary.example',
  'Canary Tower', '2022-11-09', 'Buyer Canary', 'buyer-login', 'buyer@canary.example', '13912345678', 'ID-4401-canary', '44010119900307',
]

const zhangsan = {
  userName: 'zhangsan01',
  name: '张三丰',
  orgCode: '10000',
  role: 'admin',
  enable: 'true',
  position: 'Chief Canary',
  employeeCode: 'EMP-7788',
  mobile: '13800001234',
  email: 'zhangsan@canary.example',
  workPlace: 'Canary Tower',
  entryDate: '2022-11-09',
  idCard: 'ID-4401-canary',
  idNumber: 44010119900307,
}
const lisi = { userName: 'lisi-canary', name: '李四光', orgCode: '10000', role: 'user', enable: 'true' }
const wangwu = { userName: 'wangwu-canary', name: '王五常', orgCode: '10000', role: 'user', enable: 'true' }

/** A gateway that was told of an enterprise, two purchases and a test tenant; the numbers are those of the push log. */
async function openWorld (t: Test) {
  const gateway = await openTestGateway(t, { env })
  const { url, clock } = gateway
  const push: typeof gateway.push = (...call) => gateway.push(...call)
  const own = `${url}/_gate/marketplace`
  const must = async (answer: Promise<unknown>): Promise<void> => {
    const { resultCode } = await answer as { resultCode: string }
    if (resultCode !== '000000') throw new Error(`refused: ${JSON.stringify(await answer)}`)
  }
  const baseV2 = async (members: object): Promise<unknown> => {
    clock.advance(1_000)
    const body = JSON.stringify(members)
    const query = new URLSearchParams(signBaseV2(productionKey, body, randomBytes(16).toString('hex'), clock.now()))
    return (await fetch(`${own}?${query.toString()}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })).json()
  }
  const baseV1 = async (parameters: Record<string, string>): Promise<unknown> => {
    clock.advance(1_000)
    const timeStamp = new Date(clock.now()).toISOString().replace(/\D/g, '')
    return (await fetch(`${own}?${signAuthTokenGet(productionKey, { ...parameters, timeStamp })}`)).json()
  }
  const kitV1 = async (name: string, members: object): Promise<unknown> => {
    const body = JSON.stringify(members)
    const headers = { 'content-type': 'application/json', authToken: signAuthTokenPost(kitKey, body) }
    return (await fetch(`${own}/produceAPI/${name}`, { method: 'POST', body, headers })).json()
  }

  await must(baseV1({
    activity: 'newInstance',
    businessId: 'instance-1',
    orderId: 'order-1',
    productId: 'product-1',
    testFlag: '0',
    customerId: 'customer-1',
    customerName: 'Buyer Canary',
    userName: 'buyer-login',
    email: sealAesField('buyer@canary.example', productionKey, '1', '0123456789abcdef'),
    mobilePhone: sealAesField('13912345678', productionKey, '1', '0123456789abcdef'),
  }))
  clock.advance(1_000)
  await gateway.bind({ tenantId: 'tenant-1', domainName: 'http://127.0.0.1:9', clientSecret })
  const time = (): string => toPushTime(clock.now())
  await must(push('authSync', { tenantId: 'tenant-1', appId, flag: 1, currentSyncTime: time(), userList: [zhangsan, lisi] }))
  clock.advance(1_000)
  // Dissolved and bound again in one millisecond: of the same version the later arrival counts, so the deletion would count now.
  const at = time()
  const tenant = { tenantId: 'tenant-1', tenantCode: 'sunrise', name: '晨曦科技', domainName: 'http://127.0.0.1:9', orderId: 'order-1' }
  await must(push('tenantSync', { ...tenant, flag: 0, timeStamp: at }))
  await must(push('tenantSync', { ...tenant, flag: 1, timeStamp: at }))
  clock.advance(1_000)
  const userList = JSON.stringify([wangwu])
  await must(kitV1('authSync', { tenantId: 'tenant-1', appId, instanceId: 'instance-1', testFlag: 0, flag: 1, currentSyncTime: time(), timeStamp: time(), userList }))
  await must(baseV2({ activity: 'newInstance', orderId: 'order-2', orderLineId: 'line-1', businessId: 'instance-test', testFlag: 1 }))
  await must(baseV2({ activity: 'queryInstance', instanceId: 'instance-1', testFlag: 0 }))
  await must(push('tenantSync', { ...tenant, instanceId: 'instance-test', tenantId: 'tenant-test', flag: 1, testFlag: 1 }))
  await push('authSync', { tenantId: 'tenant-1', flag: 1 })

  const variables = testEnvironment({ url, upstream: gateway.upstream.url, dataFolder: gateway.dataFolder, env })
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await startJointgate(words, variables).ended
    return { code, stdout, stderr, all: stdout + stderr }
  }
  const secrets = [
    clientSecret, kitKey, productionKey, variables['JOINTGATE_SECRET_KEYS'] ?? '',
    variables['JOINTGATE_MARKETPLACE_PRIVATE_KEYS']?.split('\n')[3] ?? '',
  ]
  const records = await gateway.storage.pushLog.list(1, 100)
  const numberOf = (name: string, index = 0) => records.filter((record) => record.interface === name)[index]?.number ?? 0
  return { gateway, run, records, secrets, numberOf }
}

/** Some at a time: two processors, and each process takes a second of one. */
async function inTurns<Item, Result> (items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += 3) results.push(...await Promise.all(items.slice(at, at + 3).map(work)))
  return results
}

t.test('pushes and keys, beside a running gateway', async (t) => {
  const world = await openWorld(t)
  const { gateway, run, records, secrets, numberOf } = world

  await t.test('list tells number, time, interface, realm, whom, outcome and key of each push; test data stands out', async (t) => {
    const [all, json, ofTenant, ofNobody] = await inTurns(
      [[], ['--json', '--last', '2'], ['--tenant', 'tenant-test'], ['--tenant', 'tenant-9']], (words) => run('pushes', 'list', ...words))
    t.equal(all?.code, 0)
    t.equal(all?.stderr, '')
    const lines = all?.stdout.trimEnd().split('\n') ?? []
    t.equal(lines.length, records.length + 1)
    t.match(lines[0], /^no\. +received +interface/)
    t.match(lines.find((line) => line.includes('tenant-test')), /tenantSync +v2 +\[test\] +tenant-test +instance-test +committed +000000 +[0-9a-f]{8} /)
    t.match(lines[1], new RegExp(`newInstance +v1 +production +- +instance-1 +committed +000000 +${fingerprintOf(new Secret(productionKey))}`))
    t.match(lines.at(-1), /authSync .* member-illegal +000002/)
    const list = JSON.parse(json?.stdout ?? '') as Array<Record<string, unknown>>
    t.same(list.map(({ number }) => number), records.slice(-2).map(({ number }) => number))
    t.notOk(list.some((push) => 'content' in push))
    t.equal(ofTenant?.stdout.trimEnd().split('\n').length, 2)
    t.match(ofNobody, { code: 0, stdout: 'The push log holds no push of this tenant.\n' })
  })

  await t.test('no personal value and no secret in show and diff (T-38); --personal tells the values, no secret', async (t) => {
    const read = createRecordReader(gateway.config)
    const show = async (push: ArchivedPush, isOpen: boolean): Promise<string> =>
      JSON.stringify(await describePush(gateway.config, push, isOpen), undefined, 2)
    const shown = await Promise.all(records.map((push) => show(push, false)))
    const open = await Promise.all(records.map((push) => show(push, true)))
    const diffs = await Promise.all(records.map(async (push) => (await describeDiff(gateway, push, await read(push), false)).join('\n')))
    const authSync = String(numberOf('authSync'))
    const [printed, printedOpen] = await inTurns([[authSync], [authSync, '--personal']], (words) => run('pushes', 'show', ...words))
    t.equal(printed?.stdout, `${shown[numberOf('authSync') - 1]}\n`)
    t.equal(printedOpen?.stdout, `${open[numberOf('authSync') - 1]}\n`)
    for (const all of [...shown, ...diffs, ...open]) {
      for (const secret of secrets) t.notOk(all.includes(secret), `no ${secret}`)
      t.notMatch(all, /[0-9A-Fa-f]{64}|"authToken": "(?!\[secret\])|"clientSecret": "(?!\[secret\])/)
    }
    for (const all of [...shown, ...diffs]) {
      for (const value of personal) t.notOk(all.includes(value), `no ${value}`)
    }
    const told = open.join('\n')
    for (const value of personal) t.ok(told.includes(value), `${value} when asked for`)
    t.match(shown[numberOf('authSync') - 1], /"userName": "z\*\*\*1"/)
    t.match(shown[numberOf('authSync') - 1], /"role": "admin"/)
    t.match(shown[numberOf('tenantSync') - 1], /"name": "晨曦科技"/)
  })

  await t.test('diff says what the push would change if it came now and who loses access, and changes nothing', async (t) => {
    const before = await linesOf(gateway.storage.directory.export('production'))
    const deletion = numberOf('tenantSync', 1)
    const lost = await run('pushes', 'diff', String(deletion))
    const [same, query] = await Promise.all([numberOf('authSync'), numberOf('queryInstance')].map(async (number) => {
      const push = records[number - 1]!
      return (await describeDiff(gateway, push, await createRecordReader(gateway.config)(push), false)).join('\n')
    }))
    t.match(lost.stdout, /~ tenant \/ production \/ tenant-1 \/ instance-1 \(changed\)/)
    t.match(lost.stdout, /isDeleted: false → true/)
    t.match(lost.stdout, /name: 晨曦科技 → \(empty\)/)
    for (const masked of ['z***1', 'l***y', 'w***y']) {
      t.ok(lost.stdout.includes(`${masked} of tenant-1, ${appId}: LOSES access (full → tenant-closed)`), masked)
    }
    t.match(lost.stdout, /Erasure after the retention time:\n {2}tenant tenant-1 of instance instance-1/)
    t.match(same, /Rows: no row changes\n\nAccess: nobody gains or loses access/)
    t.match(query, /told the directory nothing/)
    t.same(await linesOf(gateway.storage.directory.export('production')), before)
  })

  await t.test('replay into an empty folder gives the same directory byte for byte; a folder that is not empty is refused', async (t) => {
    const folder = t.testdir()
    const into = join(folder, 'replayed')
    const full = join(folder, 'full')
    mkdirSync(full)
    writeFileSync(join(full, 'something'), '')
    const [done, refused] = await inTurns([into, full], (target) => run('pushes', 'replay', '--into', target))
    t.match(done, { code: 0, stdout: /Equal: both realms are the same, byte for byte/ })
    t.match(refused, { code: 1, stdout: /is not empty/ })
  })

  await t.test('keys status tells which keys sign, which are gone and what the last pushes were signed with, and no key', async (t) => {
    const now = gateway.clock.now()
    await gateway.storage.keyUsage.see('kit', ['0ddba11f'], now)
    const [text, json] = await inTurns([[], ['--json']], (words) => run('keys', 'status', ...words))
    t.equal(text?.code, 0)
    const kit = fingerprintOf(new Secret(kitKey))
    const production = fingerprintOf(new Secret(productionKey))
    t.match(text?.stdout, new RegExp(`kit +${kit} +[0-9TZ:.-]+ +[0-9TZ:.-]+ +\\d+\\n`))
    t.match(text?.stdout, new RegExp(`production +${production} +[0-9TZ:.-]+ +[0-9TZ:.-]+ +3\\n`))
    t.match(text?.stdout, /kit +0ddba11f .* never used +0 +no longer configured/)
    t.match(text?.stdout, /RSA 3072 \(public half [\w-]{8}\)/)
    const status = JSON.parse(json?.stdout ?? '')
    t.equal(status.lastPushes.at(-1).keyFingerprint, kit)
    for (const secret of secrets) t.notOk(text?.all.includes(secret))
  })

  await t.test('what a push log no longer holds is told, and the difference is named by a masked key', async (t) => {
    await gateway.storage.pushLog.sweep(records[5]?.receivedAt ?? 0, 1e9)
    const { first } = await gateway.storage.pushLog.range() ?? { first: 0 }
    t.ok(first > 1)
    const { code, stdout } = await run('pushes', 'replay', '--into', join(t.testdir(), 'replayed'))
    t.equal(code, 1)
    t.match(stdout, `The log begins at ${first}: what came before is missing.`)
    t.match(stdout, /First difference, production: account \/ production \/ tenant-1 \/ .* \/ \S\*\*\*\S \/ instance-1 \(only in the running store\)/)
    for (const value of personal) t.notOk(stdout.includes(value))
    t.match(await run('pushes', 'show', '1'), { code: 1, stdout: 'The push log holds no push 1.\n' })
  })
})

async function linesOf (lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}

t.test('words that a verb does not know are answered with its usage and 2; an unreadable store with 1, a bad configuration with 78', async (t) => {
  for (const words of [[], ['list', '--last', '0'], ['list', 'x'], ['show'], ['show', 'x'], ['show', '1', '2'], ['diff', '1', '--all']]) {
    t.equal(await pushes(words), 2, words.join(' '))
  }
  const misspelt = [['pushes', 'replay'], ['keys', 'status', '--all'], ['erasures', 'list', '--json', 'x']]
  for (const { code, stdout, stderr } of await inTurns(misspelt, (words) => startJointgate(words, {}).ended)) {
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^Usage: jointgate (pushes|keys|erasures) /)
  }
  const variables = testEnvironment({ url: 'http://127.0.0.1:9', upstream: 'http://127.0.0.1:9', dataFolder: join(t.testdir(), 'nothing-here') })
  const [missing, invalid] = await inTurns([variables, {}], (environment) => startJointgate(['pushes', 'list'], environment).ended)
  t.match(missing, { code: 1, stderr: /^jointgate: the store \(LMDB in .*nothing-here\) cannot be read: .*there is no store in the folder/ })
  t.match(invalid, { code: 78 })
})

t.test('masking: whatever stands in a member that is not known to be harmless, at any depth, does not come out', async () => {
  const canary = fc.string({ minLength: 3, maxLength: 20 }).map((text) => `<${text}canary>`)
  const harmless = fc.constantFrom('tenantId', 'role', 'flag', 'timeStamp')
  const member = fc.oneof(fc.constantFrom('userName', 'name', 'mobile', 'email', 'customerName', 'clientSecret', 'authToken'), fc.string({ minLength: 1, maxLength: 9 }))
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, canary, fc.array(tie('tree'), { maxLength: 3 }), fc.dictionary(member, tie('tree'), { maxKeys: 4 }),
      fc.dictionary(member, tie('tree'), { maxKeys: 3 }).map((value) => JSON.stringify(value))),
  }))
  fc.assert(fc.property(tree, harmless, (value, name) => {
    const masked = JSON.stringify(maskMembers({ userList: value, [name]: 'shown' }, { personal: false, interface: 'authSync' }))
    return !masked.includes('canary>') && masked.includes('shown')
  }))
  fc.assert(fc.property(canary, fc.constantFrom('clientSecret', 'authToken', 'memo'), (secret, name) =>
    !JSON.stringify(maskMembers({ inner: [{ [name]: { deeper: secret } }] }, { personal: true, interface: 'authSync' })).includes('canary>')))
})

t.test('erasures list prints the decoded receipts and the tokens themselves', async (t) => {
  const gateway = await openTestGateway(t)
  const tenant = { tenantId: 'tenant-1', domainName: 'http://127.0.0.1:9', name: '晨曦科技', accounts: [{ userName: 'zhangsan01', name: '张三丰' }] }
  await gateway.bind(tenant)
  await gateway.push('tenantSync', { ...tenant, tenantCode: 'sunrise', orderId: 'order-1', flag: 0 })
  const variables = testEnvironment({ url: gateway.url, upstream: gateway.upstream.url, dataFolder: gateway.dataFolder })
  t.match(await startJointgate(['erasures', 'list'], variables).ended, { code: 0, stdout: 'Nothing was erased yet.\n' })
  gateway.clock.advance(31 * 86_400_000)
  await gateway.tidyUp()
  const [receipt] = await gateway.storage.erasures.listReceipts()
  const [text, json] = await inTurns([[], ['--json']], (words) => startJointgate(['erasures', 'list', ...words], variables).ended)
  const erasedAt = new Date(gateway.clock.now()).toISOString()
  t.match(text?.stdout, `${erasedAt}  tenant tenant-1 at instance instance-1: 1 tenants, 1 bindings, 1 accounts, 0 departments; asked for at 20`)
  t.match(text?.stdout, `\n  ${receipt?.token}\n`)
  t.match(JSON.parse(json?.stdout ?? ''), [{ erasedAt, claims: { iss: gateway.url, scope: 'tenant', rows: { accounts: 1 } }, token: receipt?.token }])
  t.notMatch(text?.stdout, /zhangsan01|张三丰|晨曦科技/)
})
