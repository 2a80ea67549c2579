import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { AppId } from '../../src/directory/model.ts'
import type { KitContext, KitInterface, KitReading } from '../../src/push/kit/kit-interface.ts'
import { kitInterfaces } from '../../src/push/kit/kit-interfaces.ts'
import { readKitV1 } from '../../src/push/kit/kit-v1.ts'
import { readListText, sliceLength } from '../../src/push/kit/list-text.ts'
import { readUnquotedList } from '../../src/push/kit/unquoted-list.ts'
import { signAuthTokenPost, verifyAuthTokenPost, type V1Verification } from '../../src/push/signature/auth-token.ts'
import { readSignableText } from '../../src/push/signature/canonical-json.ts'
import { readKitV2Stamp, signKitV2, verifyKitV2 } from '../../src/push/signature/kit-v2.ts'
import { readFixture } from '../support/fixture.ts'

type Body = Record<string, unknown>
type Name = 'tenantSync' | 'applicationSync' | 'authSync' | 'singleOrgSync' | 'allOrgSync'

const names: readonly Name[] = ['tenantSync', 'applicationSync', 'authSync', 'singleOrgSync', 'allOrgSync']
const appId = '0bd452b0-58af-4b98-9bda-6bf59da68d57' as AppId
const context: KitContext = {
  appIds: new Set([appId]),
  parseDomainName: (domainName) => (domainName.includes('evil') ? undefined : `https://${domainName.replace('https://', '')}`),
  openSecret: (sealed) => new Secret(sealed),
}
const key = 'one-key-for-both'
/** The fixtures' business time, 2025-01-01 08:00 in UTC+8. */
const now = 1735689600000

const head = { instanceId: 'huaweitest', tenantId: 'tenant-1', flag: 1, testFlag: 0, timeStamp: '20250101080000000' }
const wireHead = { realm: 'production', version: '20250101080000000', tenantId: 'tenant-1', instanceId: 'huaweitest' }
const user = { userName: 'zhangsan01', name: '张三', orgCode: '1', role: 'user', enable: 'true' }
const added: Record<Name, Body> = {
  tenantSync: { ...head, orderId: 'CS1', tenantCode: 'acme', name: 'Acme', domainName: 'https://acme.example.com' },
  applicationSync: { ...head, appId, clientId: 'client', clientSecret: 'sealed' },
  authSync: { ...head, appId, userList: [user], currentSyncTime: '20250101080000000' },
  singleOrgSync: { ...head, orgCode: '10000', orgName: '开发部', parentCode: '1' },
  allOrgSync: { ...head, orgInfoList: [{ orgCode: '1', orgName: '总部', parentCode: '' }] },
}

const kitOf = (name: Name): KitInterface => kitInterfaces.find((kit) => kit.name === name)!

const readV2 = async (name: Name, body: unknown): Promise<KitReading> => kitOf(name).read(body, context)

function verifyV1 (body: string, authToken = signAuthTokenPost(key, body)): V1Verification {
  const text = readSignableText(body)
  if (text.kind === 'unreadable') throw new TypeError(text.because)
  return verifyAuthTokenPost(authToken, text, [new Secret(key)], now)
}

/** Signs, verifies and reads what was verified, as the route does. */
async function readV1 (name: Name, body: Body | string): Promise<KitReading> {
  const verification = verifyV1(typeof body === 'string' ? body : JSON.stringify(body))
  if (verification.kind === 'refused') throw new TypeError(verification.because)
  return readKitV1(kitOf(name), verification.parameters, context)
}

/** The same message as V1 spells it. */
function toV1 ({ userList, orgInfoList, ...body }: Body): Body {
  const orgInfo = (orgInfoList as Body[] | undefined)?.map(({ orgName, ...department }) => ({ name: orgName, ...department }))
  const texts = { userList: JSON.stringify(userList), orgInfo: JSON.stringify(orgInfo) }
  return { ...body, ...texts }
}

const without = (body: Body, ...left: string[]): Body => Object.fromEntries(Object.entries(body).filter(([name]) => !left.includes(name)))

t.test('every recorded call of both generations is read', async (t) => {
  for (const name of names) {
    const v2 = await readV2(name, JSON.parse(readFixture(`kit-v2-${name}`).request.rawBody))
    const v1 = await readV1(name, readFixture(`kit-v1-${name}`).request.rawBody as string)
    t.equal(v2.kind, 'message', name)
    t.equal(v1.kind, 'message', name)
    t.same(Object.keys(v1.kind === 'message' ? v1.push : {}), Object.keys(v2.kind === 'message' ? v2.push : {}))
  }
  t.match(await readV2('tenantSync', JSON.parse(readFixture('kit-v2-tenantSync-credential').request.rawBody)), { push: { realm: 'test', instanceId: '' } })
})

t.test('a single department: added, changed and deleted', async (t) => {
  const whole = { kind: 'departments', ...wireHead, departments: [{ code: '10000', name: '开发部', parentCode: '1' }] }
  t.same(await readV2('singleOrgSync', added.singleOrgSync), { kind: 'message', push: { ...whole, change: 'add' } })
  t.same(await readV2('singleOrgSync', { ...added.singleOrgSync, flag: '2' }), { kind: 'message', push: { ...whole, change: 'modify' } })
  for (const rest of [{}, { orgName: 7, parentCode: {} }]) {
    const keys = { ...without(added.singleOrgSync, 'orgName', 'parentCode'), ...rest, flag: '0' }
    t.same(await readV2('singleOrgSync', keys), { kind: 'message', push: { ...whole, change: 'delete', departments: [{ code: '10000' }] } }, 'a deletion needs the key only')
  }
  t.same(await readV2('singleOrgSync', without({ ...added.singleOrgSync, flag: 2 }, 'orgName')),
    { kind: 'message', push: { ...whole, change: 'modify', departments: [{ code: '10000', parentCode: '1' }] } })
})

t.test('all departments replace, whatever flag says; a parent that is absent, null or empty is none', async (t) => {
  const orgInfoList = [{ orgCode: '1', orgName: 'a' }, { orgCode: '2', OrgName: 'b', parentCode: null }, { orgCode: '3', name: 'c', parentCode: '' }, { orgCode: '4', orgName: 'd', name: 7, parentCode: '9', x: {} }]
  const departments = [{ code: '1', name: 'a', parentCode: '' }, { code: '2', name: 'b', parentCode: '' }, { code: '3', name: 'c', parentCode: '' }, { code: '4', name: 'd', parentCode: '9' }]
  for (const flag of [undefined, null, 0, '0', 1, 2, 3, 'x', {}]) {
    t.same(await readV2('allOrgSync', { ...added.allOrgSync, flag, orgInfoList }), { kind: 'message', push: { kind: 'departments', change: 'replace', ...wireHead, departments } })
  }
  t.match(await readV2('allOrgSync', { ...added.allOrgSync, orgInfoList: [] }), { push: { departments: [] } })
})

t.test('orgInfoList is an array, its JSON text, or the page\'s text without quotes', async (t) => {
  const departments = [{ code: '00000001', name: '产品部', parentCode: '265789314' }, { code: '265789314', name: '总部', parentCode: '' }]
  const list = [{ orgCode: '00000001', orgName: '产品部', parentCode: '265789314' }, { orgCode: '265789314', orgName: '总部', parentCode: '' }]
  const texts = [
    list, JSON.stringify(list), ` ${JSON.stringify(list, null, 2)} \n`,
    '[{orgCode:00000001,orgName:产品部,parentCode:265789314},{orgCode:265789314,orgName:总部,parentCode:}]',
    ' [ { orgCode: 00000001 , OrgName: 产品部,\n parentCode: 265789314 }, {parentCode:"",name:"\\u603b部",orgCode:265789314} ] ',
  ]
  for (const [index, orgInfoList] of texts.entries()) t.match(await readV2('allOrgSync', { ...added.allOrgSync, orgInfoList }), { kind: 'message', push: { departments } }, `case ${index}`)
  t.match(await readV2('allOrgSync', JSON.parse(readFixture('kit-v2-allOrgSync-string-list').request.rawBody)), { push: { departments: [departments[0]] } })
})

t.test('a text without quotes that has no reading, or two, is refused and never guessed', async (t) => {
  const texts = [
    '', ' ', 'x', '{}', '[', ']', '[{', '[{}', '[{orgCode}]', '[{orgCode:1]', '[{orgCode:1}', '[{orgCode:1}]x', '[{orgCode:1},]', '[{orgCode:1,}]', '[,]', 'null', '"[]"',
    '[{orgCode:1,orgName:研发,测试,parentCode:}]', '[{orgCode:1,orgName:a,parentCode:b,parentCode:}]', '[{orgCode:1,orgName:a,name:b}]', '[{orgCode:1,orgName:a,flag:b}]',
    '[{orgCode:1,orgName:a:b}]', '[{orgCode:1,orgName:{a}}]', '[{orgCode:1,orgName:[a]}]', '[{orgCode:1,orgName:a"b}]', '[{orgCode:1,orgName:"a"b}]', '[{orgCode:1,orgName:a\\nb}]',
    '[{orgCode:1,orgName:a\nb}]', '[{orgCode:1,orgName:"a\nb"}]', "[{orgCode:1,orgName:'a'}]", '[{orgCode:1,orgName:null}]', '[{orgCode:1,orgName:a,parentCode:null}]', '[{orgCode:true,orgName:a}]',
    '[{"orgCode":1,orgName:a}]', '[{orgcode:1,orgName:a}]', '[{__proto__:1}]', '[{orgCode=1, orgName=a}]', '[{orgCode:1,orgName:"\\ud800"}]', '[{orgCode:1,orgName:\ud800}]', '[{orgCode:1 orgName:a}]',
    '[{"orgCode":"1","orgName":"a","orgName":"b"}]', '[{"orgCode":"1","orgName":"\\ud800"}]', '[{"orgCode":"1","orgName":"a"},]', '[{"orgCode":"1","orgName":"a"}]]', '[]}', '[],"x":[]', '[]},{"y":[]',
  ]
  for (const orgInfoList of [...texts, {}, 7, true, null, undefined]) {
    t.same(await readV2('allOrgSync', { ...added.allOrgSync, orgInfoList }), { kind: 'illegal', member: 'orgInfoList' }, JSON.stringify(orgInfoList))
  }
})

t.test('what is illegal is named by its path, in the sender\'s own words', async (t) => {
  const many = (change: Body, at = 3): Body[] => Array.from({ length: 5 }, (_, index) => ({ orgCode: `${index}`, orgName: 'x', ...index === at && change }))
  const cases: [Body | string, string, string][] = [
    [{ orgCode: undefined }, 'orgInfoList[3].orgCode', 'orgInfo[3].orgCode'], [{ orgCode: '' }, 'orgInfoList[3].orgCode', 'orgInfo[3].orgCode'],
    [{ orgCode: 'x'.repeat(65) }, 'orgInfoList[3].orgCode', 'orgInfo[3].orgCode'], [{ orgName: undefined }, 'orgInfoList[3].orgName', 'orgInfo[3].name'],
    [{ orgName: 'x'.repeat(129) }, 'orgInfoList[3].orgName', 'orgInfo[3].name'], [{ parentCode: 7 }, 'orgInfoList[3].parentCode', 'orgInfo[3].parentCode'],
  ]
  for (const [change, v2, v1] of cases) {
    const body = { ...added.allOrgSync, orgInfoList: many(change as Body) }
    t.same(await readV2('allOrgSync', body), { kind: 'illegal', member: v2 })
    t.same(await readV1('allOrgSync', toV1(body)), { kind: 'illegal', member: v1 })
  }
  for (const orgInfoList of [['x'], '[[]]', [null]]) t.same(await readV2('allOrgSync', { ...added.allOrgSync, orgInfoList }), { kind: 'illegal', member: 'orgInfoList[0]' })
  t.same(await readV2('allOrgSync', { ...added.allOrgSync, orgInfoList: '[{orgCode:1,orgName:a},{orgCode:,orgName:a}]' }), { kind: 'illegal', member: 'orgInfoList[1].orgCode' })
  t.same(await readV1('allOrgSync', { ...toV1(added.allOrgSync), orgInfo: '[' }), { kind: 'illegal', member: 'orgInfo' })
  for (const [change, member] of [[{ orgCode: '' }, 'orgCode'], [{ orgName: '' }, 'orgName'], [{ orgName: null }, 'orgName'], [{ parentCode: [] }, 'parentCode'], [{ flag: 3 }, 'flag'], [{ flag: null }, 'flag']] as const) {
    t.same(await readV2('singleOrgSync', { ...added.singleOrgSync, ...change }), { kind: 'illegal', member })
  }
  const users = Array.from({ length: 300 }, (_, index) => ({ ...user, ...index === 217 && { enable: 'maybe' } }))
  t.same(await readV2('authSync', { ...added.authSync, userList: users }), { kind: 'illegal', member: 'userList[217].enable' }, 'also behind the first slice')
  t.same(await readV1('authSync', toV1({ ...added.authSync, userList: users })), { kind: 'illegal', member: 'userList[217].enable' })
})

t.test('each mandatory member of each interface is missed in either generation', async (t) => {
  for (const name of names) {
    for (const member of Object.keys(added[name])) {
      const optional = member === 'parentCode' || (name === 'allOrgSync' && member === 'flag')
      const lack = without(added[name], member)
      t.match(await readV2(name, lack), optional ? { kind: 'message' } : { kind: 'illegal', member }, `${name} ${member}`)
      // V1 signs no blanks, so there an absent instanceId is an empty one; without its time it isn't verified at all.
      if (optional || member === 'instanceId' || member === 'timeStamp') continue
      t.same(await readV1(name, toV1(lack)), { kind: 'illegal', member: member.replace('orgInfoList', 'orgInfo') }, `V1 ${name} ${member}`)
    }
  }
})

t.test('T-50: a message sent on to another interface of its generation is refused, whatever its flag', async (t) => {
  const keysOnly: Record<Name, string[]> = {
    tenantSync: ['orderId', 'tenantCode', 'name', 'domainName'],
    applicationSync: ['clientId', 'clientSecret'],
    authSync: ['currentSyncTime'],
    singleOrgSync: ['orgName', 'parentCode'],
    allOrgSync: ['flag'],
  }
  for (const own of names) {
    const emptied = { ...added[own], userList: added[own].userList && [] }
    for (const flag of [0, 1, 2, 3]) {
      for (const body of [added[own], without(added[own], ...keysOnly[own]), emptied].map((body) => ({ ...body, flag }))) {
        for (const other of names.filter((name) => name !== own)) {
          t.equal((await readV2(other, body)).kind, 'illegal', `${own} ${flag} → ${other}`)
          t.equal((await readV1(other, toV1(body))).kind, 'illegal', `V1 ${own} ${flag} → ${other}`)
        }
      }
    }
  }
  t.equal((await readV1('tenantSync', { ...head, flag: 0, userList: 'no list' })).kind, 'illegal', 'a list that cannot be read is there all the same')
})

t.test('T-49: a message sent on to the other generation is not verified there', async (t) => {
  for (const name of names) {
    const v1 = JSON.stringify(toV1(added[name]))
    const v2 = JSON.stringify(added[name])
    const authToken = signAuthTokenPost(key, v1)
    const headers = signKitV2(key, v2, 'nonceofatestcall', now)
    t.equal(verifyV1(v1, authToken).kind, 'verified')
    for (const body of [v1, v2]) {
      const text = readSignableText(body)
      if (text.kind === 'unreadable') throw new TypeError(text.because)
      const asV2 = { 'x-timestamp': String(now), 'x-nonce': 'nonceofatestcall', 'x-sign': Buffer.from(authToken, 'base64').toString('hex') }
      const stamp = readKitV2Stamp(asV2, now)
      if (stamp.kind === 'refused') throw new TypeError(stamp.because)
      t.match(await verifyKitV2(stamp.stamp, text, [new Secret(key)]), { kind: 'refused', because: 'signature-mismatch' }, `${name}: V1's token as x-sign`)
      t.match(verifyV1(body, Buffer.from(headers['x-sign'], 'hex').toString('base64')), { kind: 'refused', because: 'signature-mismatch' }, `${name}: V2's x-sign as token`)
    }
  }
  t.same(await readV1('allOrgSync', added.allOrgSync), { kind: 'illegal', member: 'orgInfo' }, 'a list under V2\'s name is none of V1\'s')
  t.same(await readV2('allOrgSync', toV1(added.allOrgSync)), { kind: 'illegal', member: 'orgInfoList' })
  t.same(await readV2('authSync', toV1(added.authSync)), { kind: 'illegal', member: 'userList' })
})

t.test('V1: blank members are not signed, so putting them in or taking them out changes nothing', async (t) => {
  for (const name of names) {
    const body = toV1(added[name])
    const blanks = Object.fromEntries(['orderId', 'tenantCode', 'name', 'appId', 'userList', 'orgCode', 'orgInfo', 'instanceId', 'x'].map((member) => [member, '']))
    for (const flag of [0, 1, 2]) {
      const credential = { ...body, flag, instanceId: '' }
      const reading = await readV1(name, without(credential, 'instanceId'))
      t.same(await readV1(name, { ...blanks, ...credential }), reading, name)
      t.equal(signAuthTokenPost(key, JSON.stringify({ ...blanks, ...credential })), signAuthTokenPost(key, JSON.stringify(without(credential, 'instanceId'))))
      t.match(reading, { kind: 'message', push: { instanceId: '' } })
    }
  }
})

t.test('C-58: flag and testFlag are numbers or texts, unknown members are nobody\'s, and the credential stage has no instance', async (t) => {
  for (const name of names) {
    for (const [generation, read, spell] of [['V2', readV2, (body: Body) => body], ['V1', readV1, toV1]] as const) {
      for (const flag of name === 'authSync' ? [0, 1, 2, 3] : [0, 1, 2]) {
        for (const testFlag of [0, 1]) {
          const body = spell({ ...added[name], flag, testFlag })
          const reading = await read(name, body)
          t.match(reading, { kind: 'message', push: { realm: testFlag === 1 ? 'test' : 'production' } }, `${generation} ${name} ${flag} ${testFlag}`)
          t.same(await read(name, { ...body, flag: String(flag), testFlag: String(testFlag), flagg: 9, extra: { deep: [1] }, constructor: 'x' }), reading)
        }
      }
      t.match(await read(name, spell({ ...added[name], instanceId: '' })), { kind: 'message', push: { instanceId: '' } })
    }
  }
})

t.test('V1: users bring their extension, and unknown departments don\'t matter', async (t) => {
  const extension = { entryDate: '2022-11-9', employeeType: '4', workPlace: '南京' }
  const reading = await readV1('authSync', toV1({ ...added.authSync, userList: [{ ...user, orgCode: 'nobody-knows', email: '', mobile: null, extension }, { ...user, userName: 'b', extension: '' }] }))
  t.match(reading, { push: { accounts: [{ departmentCode: 'nobody-knows', details: { ...extension, email: '' } }, { userName: 'b', details: {} }] } })
  for (const userList of ['[', '{}', '7', '[{userName:a}]', '[{"userName":"a","userName":"b"}]', '[{"userName":"a"}]]']) {
    t.same(await readV1('authSync', { ...toV1(added.authSync), flag: 0, userList }), { kind: 'illegal', member: 'userList' }, userList)
  }
  t.match(await readV1('authSync', { ...toV1(added.authSync), flag: 0, userList: '[]' }), { push: { change: 'delete', accounts: [] } })
})

const code = fc.stringMatching(/^[a-z0-9]{1,8}$/)
/** Something that V1 would sign: not blank. */
const word = fc.oneof(code, fc.constantFrom('产品部', '𠮷', 'a b', '"', '\\', '[]', ',', ':}', 'null', '__proto__', 'a\u2028b', "'"))
const detail = fc.option(fc.oneof(word, fc.constant('')), { nil: undefined })
const anyUser = fc.record({
  userName: word,
  name: word,
  orgCode: fc.oneof(word, fc.constant('')),
  role: fc.constantFrom('user', 'admin'),
  enable: fc.constantFrom('true', 'false', true, false),
  position: detail,
  mobile: fc.option(detail),
  email: detail,
  extension: fc.option(fc.record({ entryDate: detail, workPlace: detail, employeeType: fc.option(fc.oneof(fc.nat(9), fc.constant('4'))) }), { nil: undefined }),
})
const anyDepartment = fc.record({ orgCode: word, orgName: word, parentCode: fc.option(fc.oneof(word, fc.constant(''))) })
const anyHead = { instanceId: fc.oneof(code, fc.constant('')), tenantId: code, flag: fc.constantFrom(0, 1, 2, '0', '1', '2'), testFlag: fc.constantFrom(0, 1, '0', '1'), timeStamp: fc.constant(head.timeStamp) }
const anyMessage = fc.oneof(
  fc.tuple(fc.constant<Name>('tenantSync'), fc.record({ ...anyHead, orderId: word, tenantCode: word, name: word, domainName: code })),
  fc.tuple(fc.constant<Name>('applicationSync'), fc.record({ ...anyHead, appId: fc.constant(appId), clientId: word, clientSecret: word })),
  fc.tuple(fc.constant<Name>('authSync'), fc.record({ ...anyHead, appId: fc.constant(appId), userList: fc.array(anyUser, { maxLength: 4 }), currentSyncTime: word })),
  fc.tuple(fc.constant<Name>('singleOrgSync'), fc.record({ ...anyHead, orgCode: word, orgName: word, parentCode: fc.option(fc.oneof(word, fc.constant(''))) })),
  fc.tuple(fc.constant<Name>('allOrgSync'), fc.record({ ...anyHead, orgInfoList: fc.array(anyDepartment, { maxLength: 4 }) })),
)

/** Two secrets look the same from outside. */
function revealed (reading: KitReading): unknown {
  if (reading.kind !== 'message' || reading.push.kind !== 'application') return reading
  return { ...reading.push, clientSecret: reading.push.clientSecret?.reveal() }
}

t.test('the same message in both generations ends in the same push message', async () => {
  await fc.assert(fc.asyncProperty(anyMessage, async ([name, body]) => {
    // Through the wire, so that what is undefined is absent.
    const v2 = JSON.parse(JSON.stringify(body)) as Body
    const reading = await readV2(name, v2)
    return reading.kind === 'message' && isDeepStrictEqual(revealed(await readV1(name, toV1(v2))), revealed(reading))
  }), { numRuns: 600 })
})

const anyBareWord = fc.stringMatching(/^[^"'`\\[\]{},:\p{C}\s]+( [^"'`\\[\]{},:\p{C}\s]+)?$/u).filter((value) => !/^(null|true|false)$/.test(value) && !/\p{Surrogate}/u.test(value))
const anyValue = fc.oneof(
  fc.constant({ said: '', written: '' }),
  anyBareWord.map((said) => ({ said, written: said })),
  fc.string({ unit: 'grapheme' }).map((said) => ({ said, written: JSON.stringify(said) })),
)

t.test('a text without quotes says what was written into it', async () => {
  const member = fc.tuple(fc.constantFrom('orgName', 'OrgName', 'name'), anyValue, anyValue, anyValue, fc.constantFrom('', ' ', '\n'))
  await fc.assert(fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 5 }), async (departments) => {
    const text = departments.map(([name, orgCode, orgName, parentCode, gap]) => `{${gap}orgCode:${gap}${orgCode.written}${gap},${name}:${orgName.written},parentCode${gap}:${parentCode.written}${gap}}`)
    const said = departments.map(([, { said: orgCode }, { said: orgName }, { said: parentCode }]) => ({ orgCode, orgName, parentCode }))
    return isDeepStrictEqual(await readUnquotedList(`[${text.join(',')}]`), said)
  }), { numRuns: 400 })
})

t.test('no text makes the list readers throw, and none has a reading as JSON and another without quotes', async () => {
  const piece = fc.constantFrom('[', ']', '{', '}', ',', ':', '"', '\\', 'orgCode', 'orgName', 'name', 'parentCode', '"orgCode"', '"a"', 'a', '1', 'null', ' ', '\n', '产', '\ud800', '{orgCode:1}', '{"orgCode":"1"}', '[]')
  const text = fc.oneof(fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')), fc.string(), fc.json())
  await fc.assert(fc.asyncProperty(fc.oneof(text, text.map((inside) => `[${inside}]`)), async (text) => {
    const asJson = await readListText(text)
    const bare = await readUnquotedList(text)
    return asJson === undefined || (bare === undefined && isDeepStrictEqual(asJson, JSON.parse(text)))
  }), { numRuns: 3000 })
})

t.test('a list in text is read whole at any length, slice by slice', async (t) => {
  for (const length of [0, 1, sliceLength - 1, sliceLength, sliceLength + 1, 3 * sliceLength]) {
    const list = Array.from({ length }, (_, index) => ({ n: index, x: [{ y: ',]}"' }] }))
    const text = JSON.stringify(list)
    t.strictSame(await readListText(text), list)
    for (const broken of [text.slice(0, -1), `${text}]`, `${text},`, text.replace(/\]$/, ',]'), text.replace(/\]$/, '}'), text.replace(/\]$/, ',{"n":1,"n":2}]')]) {
      t.equal(await readListText(broken), undefined, `${length}: ${broken.slice(-20)}`)
    }
  }
  t.equal(await readListText('['.repeat(1_000_000)), undefined)
  t.equal(await readUnquotedList('[{orgCode:'.repeat(100_000)), undefined)
  t.equal((await readUnquotedList(`[{orgName:${'x'.repeat(4_000_000)}}]`))?.length, 1)
})

t.test('5000 elements are read in order, and others have their turn meanwhile', async (t) => {
  const users = Array.from({ length: 5000 }, (_, index) => ({ ...user, userName: `user${index}` }))
  const departments = Array.from({ length: 5000 }, (_, index) => ({ orgCode: `${index}`, orgName: 'x', parentCode: '' }))
  const bare = `[${departments.map(({ orgCode }) => `{orgCode:${orgCode},orgName:x,parentCode:}`).join(',')}]`
  // A list in text is looked at twice: as text and as elements.
  const readings: [string, () => Promise<KitReading>, passes: number][] = [
    ['authSync', async () => readV2('authSync', { ...added.authSync, userList: users }), 1],
    ['authSync V1', async () => readV1('authSync', toV1({ ...added.authSync, userList: users })), 2],
    ['allOrgSync', async () => readV2('allOrgSync', { ...added.allOrgSync, orgInfoList: departments }), 1],
    ['allOrgSync, text', async () => readV2('allOrgSync', { ...added.allOrgSync, orgInfoList: JSON.stringify(departments) }), 2],
    ['allOrgSync, bare', async () => readV2('allOrgSync', { ...added.allOrgSync, orgInfoList: bare }), 2],
  ]
  for (const [name, read, passes] of readings) {
    let turns = 0
    let isReading = true
    const count = (): void => {
      turns += 1
      if (isReading) setImmediate(count)
    }
    setImmediate(count)
    const reading = await read()
    isReading = false
    const push = reading.kind === 'message' ? reading.push : undefined
    const accounts = push?.kind === 'accounts' ? push.accounts.map(({ userName }) => userName) : []
    const items = push?.kind === 'departments' ? push.departments.map(({ code }) => `user${code}`) : accounts
    t.strictSame(items, users.map(({ userName }) => userName), name)
    t.ok(turns >= passes * (5000 / sliceLength - 1), `${name}: ${turns} turns`)
  }
})
