import { randomBytes } from 'node:crypto'
import { request, type Dispatcher } from 'undici'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import { signAuthTokenGet, signAuthTokenPost } from '../push/signature/auth-token.ts'
import { signBaseV2 } from '../push/signature/base-v2.ts'
import { signKitV2 } from '../push/signature/kit-v2.ts'
import { formatWireTime } from '../push/signature/wire-time.ts'
import { readAnswer, type CallAnswer } from './call-answer.ts'

export const kitNames = ['tenantSync', 'applicationSync', 'authSync', 'singleOrgSync', 'allOrgSync'] as const

export type KitName = (typeof kitNames)[number]

/** Where a call goes and who signs it. */
export interface CallTarget {
  /** The production address (生产地址), without a trailing slash. */
  readonly baseUrl: string
  /** The access key of the interface type that is called. */
  readonly accessKey: Secret
  readonly clock: Clock
}

/** What a call does otherwise than the marketplace would. */
export interface CallOverrides {
  /** V2; default 32 random hex digits. */
  readonly nonce?: string
  /** V2: the stamp's time in epoch ms; default now. V1 carries its time among its members. */
  readonly timestamp?: number
  /** Sent in place of the body that was signed. */
  readonly sentBody?: string
  /** Another spelling of a header's name, by its usual one. */
  readonly headerNames?: Readonly<Record<string, string>>
}

/** A call as it goes over the wire: sent again, it is a replay. */
export interface SignedCall {
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** Names in the spelling that is sent. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** @param body JSON text of an object (sync.md §3.3) */
export function kitV2Call (target: CallTarget, name: KitName, body: string, overrides: CallOverrides = {}): SignedCall {
  const { nonce, timestamp } = stampOf(target, overrides)
  const headers = { 'content-type': 'application/json', ...signKitV2(target.accessKey.reveal(), body, nonce, timestamp) }
  return post(`${target.baseUrl}/produceAPI/v2/${name}`, headers, body, overrides)
}

/** @param body JSON text of an object with a `timeStamp` of 17 digits in UTC+8; lists in it are texts (sync.md §3.1) */
export function kitV1Call (target: CallTarget, name: KitName, body: string, overrides: CallOverrides = {}): SignedCall {
  const headers = { 'content-type': 'application/json', authToken: signAuthTokenPost(target.accessKey.reveal(), body) }
  return post(`${target.baseUrl}/produceAPI/${name}`, headers, body, overrides)
}

/** @param body JSON text of an object with an `activity` (sync.md §3.2) */
export function baseV2Call (target: CallTarget, body: string, overrides: CallOverrides = {}): SignedCall {
  const { nonce, timestamp } = stampOf(target, overrides)
  const query = new URLSearchParams(signBaseV2(target.accessKey.reveal(), body, nonce, timestamp))
  const headers = { accept: 'application/json', 'content-type': 'application/json;charset=utf8' }
  return post(`${target.baseUrl}?${query.toString()}`, headers, body, overrides)
}

/** @param parameters decoded, with an `activity`; `timeStamp` (17 digits in UTC) is the present one if it is missing (sync.md §3.1) */
export function baseV1Call (target: CallTarget, parameters: Readonly<Record<string, string>>): SignedCall {
  const signed = { timeStamp: formatWireTime(target.clock.now(), 'utc'), ...parameters }
  const url = `${target.baseUrl}?${signAuthTokenGet(target.accessKey.reveal(), signed)}`
  return { method: 'GET', url, headers: { accept: 'application/json' }, body: undefined }
}

export interface SendOptions {
  /** The key with which the answer must be signed. */
  readonly accessKey: Secret
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  /** The marketplace gives up after five seconds (sync.md §0.4). */
  readonly timeoutMilliseconds?: number
}

/** Sends a call. Never rejects: that no answer came is an answer, too, with `httpStatus` 0. */
export async function sendCall (call: SignedCall, options: SendOptions): Promise<CallAnswer> {
  const { accessKey, clock, dispatcher, timeoutMilliseconds = 5_000 } = options
  const { method, headers, body = null } = call
  const startedAt = clock.now()
  try {
    const response = await request(call.url, {
      dispatcher, method, headers, body, signal: AbortSignal.timeout(timeoutMilliseconds), responseHeaders: 'raw',
    })
    const text = await response.body.text()
    // undici's types don't know that `raw` gives a list.
    const rawHeaders = (response.headers as unknown as readonly (string | Buffer)[]).map(String)
    const durationMilliseconds = clock.now() - startedAt
    return readAnswer({ httpStatus: response.statusCode, rawHeaders, text, durationMilliseconds }, accessKey)
  } catch (error) {
    return noAnswer(error, clock.now() - startedAt)
  }
}

function noAnswer (error: unknown, durationMilliseconds: number): CallAnswer {
  const code = error instanceof Error ? 'code' in error && typeof error.code === 'string' ? error.code : error.name : 'no answer'
  const resultMsg = error instanceof Error && error.message !== '' ? error.message : code
  return { ...readAnswer({ httpStatus: 0, rawHeaders: [], text: '', durationMilliseconds }), resultMsg, failureCode: code }
}

function stampOf ({ clock }: CallTarget, { nonce, timestamp }: CallOverrides): { nonce: string, timestamp: number } {
  return { nonce: nonce ?? randomBytes(16).toString('hex'), timestamp: timestamp ?? clock.now() }
}

function post (url: string, headers: Readonly<Record<string, string>>, signed: string, overrides: CallOverrides): SignedCall {
  const { sentBody = signed, headerNames = {} } = overrides
  const spelled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [headerNames[name] ?? name, value]))
  return { method: 'POST', url, headers: spelled, body: sentBody }
}
