import { gzipSync } from 'node:zlib'
import { Secret } from '../../src/base/secret.ts'
import type { RuleGroup } from '../../src/doctor/rule.ts'
import { usualLimits, type DoctorOptions } from '../../src/doctor/visit.ts'
import { parseWireTime } from '../../src/push/signature/wire-time.ts'
import { kitKey } from '../support/build-gateway.ts'
import { refusal, saidBy, signedAnswer, success, type Fault, type ProxiedAnswer, type ProxiedCall } from '../support/faulty-marketplace-proxy.ts'

/** One thing that is wrong with an otherwise good gateway or configuration. */
export interface Seed {
  /** The rule that must find it. */
  readonly finds: string
  readonly what: string
  /** A line that is spoiled anew for each examination. */
  readonly fault?: () => Fault
  /** How far the gateway's clock is off. */
  readonly skewMilliseconds?: number
  readonly options?: Partial<DoctorOptions>
  /** Rules of further groups that are looked at too. */
  readonly with?: readonly RuleGroup[]
  /** What must turn red with it, since it hangs on it. */
  readonly follows?: readonly string[]
  /** The rule warns; what follows is red all the same. */
  readonly isWarning?: boolean
}

type Choice = (call: ProxiedCall, answer: ProxiedAnswer) => boolean
type Spoil = (call: ProxiedCall, answer: ProxiedAnswer) => ProxiedAnswer

/** Spoils what is answered to some calls. */
const onAnswer = (isMeant: Choice, spoil: Spoil) =>
  (): Fault => async (call, forward) => {
    const answer = await forward()
    return call.name !== '' && isMeant(call, answer) ? spoil(call, answer) : answer
  }

const all = (): boolean => true
const isGoodApplication: Choice = ({ name }, answer) => name === 'applicationSync' && isRefused(answer, '000000')
const isNotice = (call: ProxiedCall): boolean => call.name === 'orderNotify'
const isRefused = (answer: ProxiedAnswer, code: string): boolean => saidBy(answer).resultCode === code
const says = (answer: ProxiedAnswer, words: string): boolean => saidBy(answer).resultMsg?.includes(words) === true

/** A gateway without one check: what that check would refuse succeeds. */
const without = (check: Choice) => onAnswer(check, success)

function timeOf ({ isV1, headers, query, members, path }: ProxiedCall): string {
  return String(isV1 ? members['timeStamp'] : path.includes('/produceAPI/') ? headers['x-timestamp'] : query.get('timestamp'))
}

function sentAt (call: ProxiedCall): number {
  const text = timeOf(call)
  return call.isV1 ? parseWireTime(text, call.path.includes('/produceAPI/') ? 'utc+8' : 'utc') ?? 0 : Number(text)
}

function listLength ({ members: { userList, orgInfo, orgInfoList } }: ProxiedCall): number {
  return (JSON.stringify(userList ?? orgInfo ?? orgInfoList ?? '').match(/orgCode/g) ?? []).length
}

type Headers = Record<string, string>

const headersOf = (change: (headers: Headers) => Headers) =>
  onAnswer(all, (_call, answer) => ({ ...answer, headers: change({ ...answer.headers }) }))

const noKeys: readonly Secret[] = []

const configurationSeeds: readonly Seed[] = [
  { finds: 'configuration.kit-key', what: 'no Kit key', options: { kitKeys: noKeys }, with: ['clock and keys', 'secrets', 'lists'] },
  { finds: 'configuration.production-key', what: 'no production key', options: { productionKeys: noKeys }, with: ['clock and keys', 'instances'] },
  { finds: 'configuration.private-key', what: 'no private key', options: { privateKeys: noKeys }, with: ['clock and keys', 'secrets'] },
  { finds: 'configuration.key-kinds', what: 'one key in both lists', options: { productionKeys: [new Secret(kitKey)] }, isWarning: true, follows: ['keys.fresh-signature'] },
  { finds: 'configuration.tenant-domains', what: 'no list of domains', options: { tenantDomains: [] }, isWarning: true },
]

const addressSeeds: readonly Seed[] = [
  { finds: 'keys.fresh-signature', what: 'the gateway\'s clock is five minutes behind', skewMilliseconds: -300_000, with: ['interfaces', 'answers'] },
  { finds: 'keys.fresh-signature', what: 'another Kit key than the gateway has', options: { kitKeys: [new Secret('another-kit-key-0123456789')] }, follows: ['answers.body-sign-value'], with: ['answers'] },
  {
    finds: 'clock.date',
    what: 'a Date header from an hour ago',
    fault: () => async (_call, forward) => {
      const answer = await forward()
      return { ...answer, headers: { ...answer.headers, Date: new Date(Date.now() - 3_600_000).toUTCString() } }
    },
  },
  {
    finds: 'address.callback',
    what: 'everything but the production address belongs to somebody else',
    fault: () => async (call, forward) => (call.path.endsWith('/callback') ? { status: 404, headers: {}, body: 'nothing here' } : forward()),
  },
]

const interfaceSeeds: readonly Seed[] = [
  { finds: 'interfaces.positive', what: 'the first orderNotify fails', fault: () => failOnce(isNotice) },
  { finds: 'interfaces.same-signature', what: 'a guard that refuses what it has seen', fault: refuseReplays },
  { finds: 'interfaces.new-signature', what: 'a department can be added twice, and no third time', fault: () => refuseFrom(3, (call) => call.name === 'singleOrgSync' && call.members['flag'] === 1) },
  { finds: 'interfaces.missing-member', what: 'the message names nothing', fault: onAnswer((_, answer) => isRefused(answer, '000002'), (call) => refusal(call, '000002')) },
  { finds: 'interfaces.text-flags', what: 'flags must be numbers', fault: onAnswer(({ members }) => members['flag'] === '1', (call) => refusal(call, '000002')) },
  {
    finds: 'interfaces.credential-stage',
    what: 'no instance, no tenant',
    fault: onAnswer(({ members }) => members['instanceId'] === '', (call) => refusal(call, '000003')),
  },
  { finds: 'interfaces.delete-before-add', what: 'what is not there cannot be deleted', fault: onAnswer(({ members }) => members['flag'] === 0, (call) => refusal(call, '000003')) },
]

const signatureSeeds: readonly Seed[] = [
  { finds: 'signatures.none', what: 'who signs nothing is let in', fault: without((_, answer) => says(answer, 'missing')) },
  {
    finds: 'signatures.strange-key',
    what: 'any key will do',
    fault: without((call, answer) => says(answer, 'does not fit') && call.members['doctorSays'] === undefined),
  },
  { finds: 'signatures.altered', what: 'unknown members are not signed', fault: without((call, answer) => says(answer, 'does not fit') && call.members['doctorSays'] !== undefined) },
  { finds: 'signatures.stale', what: 'the past has no end', fault: without((call, answer) => isRefused(answer, '000001') && says(answer, 'from our clock') && sentAt(call) < Date.now()) },
  { finds: 'signatures.future', what: 'now - time <= 60000 and nothing else', fault: without((call, answer) => says(answer, 'from our clock') && sentAt(call) > Date.now()) },
  { finds: 'signatures.border', what: 'the number counts, not its digits', fault: without((call, answer) => isRefused(answer, '000001') && !call.isV1 && /^0+\d{13}$/.test(timeOf(call))) },
]

const instanceSeeds: readonly Seed[] = [
  {
    finds: 'instances.new-answer',
    what: 'no frontEndUrl',
    fault: onAnswer(({ name }) => name === 'newInstance', (call, answer) => signedAnswer(call, { ...saidBy(answer), appInfo: {} })),
  },
  { finds: 'instances.same-id', what: 'a new instance for each request', fault: forgetIds, follows: ['instances.query-answer'] },
  {
    finds: 'instances.query-answer',
    what: 'queryInstance answers a list of nothing',
    fault: onAnswer(({ name }) => name === 'queryInstance', (call, answer) => signedAnswer(call, { ...saidBy(answer), info: [] })),
    // The unknown instance gets that list too, but still with its code.
  },
  { finds: 'instances.unknown', what: 'whatever is frozen, it succeeds', fault: without((_, answer) => isRefused(answer, '000003')) },
]

const listSeeds: readonly Seed[] = [
  {
    finds: 'lists.department-forms',
    what: 'a list is an array',
    fault: onAnswer(({ members }) => typeof members['orgInfoList'] === 'string', (call) => refusal(call, '000002')),
  },
  { finds: 'lists.users-500', what: 'a limit of 499 to 4999', fault: onAnswer((call) => call.name === 'authSync' && listLength(call) === 500, (call) => refusal(call, '000002')) },
  {
    finds: 'lists.users-5000',
    what: 'a proxy that takes no megabyte',
    fault: () => async (call, forward) => (call.name === 'authSync' && Buffer.byteLength(call.body) > 1024 * 1024 ? { status: 413, headers: {}, body: '' } : forward()),
    with: ['answers'],
    follows: ['answers.status'],
  },
  {
    finds: 'lists.departments-5000',
    what: 'the line goes dead',
    fault: () => async (call, forward) => (call.name === 'allOrgSync' && listLength(call) > 4000 ? undefined : forward()),
    with: ['answers'],
    follows: ['answers.arrive'],
  },
]

const secretSeeds: readonly Seed[] = [
  { finds: 'secrets.opened', what: 'the gateway has another private key', fault: onAnswer(isGoodApplication, (call) => refusal(call, '000101')), with: ['interfaces'] },
  { finds: 'secrets.strange-key', what: 'what cannot be opened is a success', fault: without((_, answer) => isRefused(answer, '000101')) },
]

const answerSeeds: readonly Seed[] = [
  { finds: 'answers.arrive', what: 'the line goes dead', fault: () => async (call, forward) => (isNotice(call) ? undefined : forward()) },
  { finds: 'answers.redirect', what: '302', fault: onAnswer(isNotice, () => ({ status: 302, headers: { location: 'https://elsewhere.example.com/' }, body: '' })) },
  { finds: 'answers.status', what: '500', fault: onAnswer(isNotice, (_call, answer) => ({ ...answer, status: 500 })) },
  { finds: 'answers.http-version', what: 'HTTP/1.0', fault: headersOf((headers) => ({ ...headers, 'http-version': '1.0' })) },
  { finds: 'answers.compression', what: 'gzip', fault: onAnswer(isNotice, (_call, { status, headers, body }) => ({ status, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) })) },
  { finds: 'answers.content-type', what: 'a charset is added', fault: headersOf((headers) => ({ ...headers, 'content-type': 'application/json; charset=utf-8' })) },
  { finds: 'answers.members', what: 'no resultMsg', fault: onAnswer(isNotice, (call) => signedAnswer(call, { resultCode: '000000' })) },
  { finds: 'answers.body-sign-name', what: 'names in lower case', fault: headersOf(({ 'Body-Sign': value = '', ...headers }) => ({ ...headers, 'body-sign': value })) },
  { finds: 'answers.body-sign-form', what: 'the quotes are gone', fault: headersOf((headers) => ({ ...headers, 'Body-Sign': headers['Body-Sign']?.replaceAll('"', '') ?? '' })) },
  { finds: 'answers.body-sign-value', what: 'the body is printed anew', fault: onAnswer(all, (_call, answer) => ({ ...answer, body: JSON.stringify(saidBy(answer), undefined, 1) })) },
  {
    finds: 'answers.time',
    what: 'orderNotify takes its time',
    options: { limits: { ...usualLimits, slow: 300, tooSlow: 400 } },
    fault: () => async (call, forward) => {
      if (isNotice(call)) await new Promise((resolve) => { setTimeout(resolve, 450) })
      return forward()
    },
  },
  {
    finds: 'answers.time',
    what: 'orderNotify takes a little longer',
    options: { limits: { ...usualLimits, slow: 300 } },
    isWarning: true,
    fault: () => async (call, forward) => {
      if (isNotice(call)) await new Promise((resolve) => { setTimeout(resolve, 350) })
      return forward()
    },
  },
]

/** What is wrong at the other side of the line; what is wrong with an address or a certificate needs a test of its own. */
export const seeds: readonly Seed[] = [
  configurationSeeds, addressSeeds, interfaceSeeds, signatureSeeds, instanceSeeds, listSeeds, secretSeeds, answerSeeds,
].flat()

function failOnce (isMeant: (call: ProxiedCall) => boolean): Fault {
  let count = 0
  return async (call, forward) => (isMeant(call) && ++count === 1 ? refusal(call, '000005') : forward())
}

function refuseFrom (first: number, isMeant: (call: ProxiedCall) => boolean): Fault {
  const counts = new Map<string, number>()
  return async (call, forward) => {
    const answer = await forward()
    if (!isMeant(call) || !isRefused(answer, '000000')) return answer
    const count = (counts.get(call.path) ?? 0) + 1
    counts.set(call.path, count)
    // The second signature of the doctor's is repeated once: three successes before the call that is signed anew.
    return count > first ? refusal(call, '000005') : answer
  }
}

function refuseReplays (): Fault {
  const seen = new Set<string>()
  return async (call, forward) => {
    if (call.name === '') return forward()
    const signature = call.headers['x-sign'] ?? call.headers['authtoken'] ?? call.query.get('signature') ?? call.query.get('authToken') ?? ''
    if (seen.has(signature)) return refusal(call, '000001')
    seen.add(signature)
    return forward()
  }
}

function forgetIds (): Fault {
  let count = 0
  return async (call, forward) => {
    const answer = await forward()
    return call.name === 'newInstance' ? signedAnswer(call, { ...saidBy(answer), instanceId: `instance-${++count}` }) : answer
  }
}
