import { randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import { bodySign as signBody, bodySignHeader } from '../push/signature/body-sign.ts'
import { signKitV2 } from '../push/signature/kit-v2.ts'
import type { MarketplaceState, PushAnswer } from './marketplace-state.ts'
import { resolveUrl, type LateUrl } from './marketplace-options.ts'

/** The marketplace gives up after five seconds (sync.md §0.4). */
const answerTimeoutMilliseconds = 5_000
const rememberedPushes = 100

export interface Push {
  readonly name: 'tenantSync' | 'applicationSync' | 'authSync'
  /** 0 delete, 1 add, 2 modify, 3 cancel the authorisation (sync.md §1.1). */
  readonly flag: 0 | 1 | 2 | 3
  readonly occasion: string
  /** The interface's own members; the sender adds `flag`, `testFlag` and the times. */
  readonly members: Readonly<Record<string, unknown>>
}

export interface PushSender {
  /** Sends a signed push and remembers the answer. Never rejects: a failed call is an answer with `httpStatus` 0. */
  send (push: Push): Promise<PushAnswer>
  close (): Promise<void>
}

interface PushSenderOptions {
  readonly state: MarketplaceState
  readonly gatewayUrl: LateUrl
  readonly kitKey: Secret
  readonly clock: Clock
}

export function createPushSender ({ state, gatewayUrl, kitKey, clock }: PushSenderOptions): PushSender {
  const agent = new Agent()
  return {
    async send (push) {
      const body = JSON.stringify(bodyOf(push, nextPushTime(state, clock)))
      const sentAt = clock.now()
      const url = `${resolveUrl(gatewayUrl)}/produceAPI/v2/${push.name}`
      const outcome = await call(agent, url, body, kitKey, sentAt)
      const { name, flag, occasion } = push
      const answer = { number: ++state.pushCount, sentAt, name, flag, occasion, body, ...outcome }
      state.pushes.unshift(answer)
      state.pushes.length = Math.min(state.pushes.length, rememberedPushes)
      return answer
    },
    close: () => agent.close(),
  }
}

type CallOutcome = Pick<PushAnswer, 'httpStatus' | 'resultCode' | 'resultMsg' | 'bodySign' | 'isSuccess'>

async function call (agent: Agent, url: string, body: string, kitKey: Secret, now: number): Promise<CallOutcome> {
  const signature = signKitV2(kitKey.reveal(), body, randomBytes(16).toString('hex'), now)
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signature },
      body,
      signal: AbortSignal.timeout(answerTimeoutMilliseconds),
      responseHeaders: 'raw',
    })
    const text = await response.body.text()
    return judge(response.statusCode, response.headers as unknown as RawHeaders, text, kitKey)
  } catch (error) {
    // What a buyer's console shows for "address not reachable" and "timeout" alike (sync.md §4.13).
    const resultMsg = error instanceof Error ? error.message || error.name : 'no answer'
    return { httpStatus: 0, resultCode: '', resultMsg, bodySign: 'missing', isSuccess: false }
  }
}

/** Names and values in turn, spelled as they came. */
type RawHeaders = readonly (string | Buffer)[]

function judge (httpStatus: number, headers: RawHeaders, text: string, kitKey: Secret): CallOutcome {
  const { resultCode, resultMsg } = readResult(text)
  const header = findExact(headers, bodySignHeader)
  const bodySign = header === undefined ? 'missing' : header === signBody(kitKey.reveal(), text) ? 'verified' : 'wrong'
  return { httpStatus, resultCode, resultMsg, bodySign, isSuccess: httpStatus === 200 && resultCode === '000000' }
}

/** The marketplace compares this one header's name with its case (sync.md §3.6). */
function findExact (headers: RawHeaders, name: string): string | undefined {
  const index = headers.findIndex((value, position) => position % 2 === 0 && value.toString() === name)
  return index < 0 ? undefined : headers[index + 1]?.toString()
}

function readResult (text: string): { resultCode: string, resultMsg: string } {
  const unreadable = { resultCode: '', resultMsg: 'cannot parse the response body' }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('resultCode' in value) || !('resultMsg' in value)) return unreadable
    return { resultCode: String(value.resultCode), resultMsg: String(value.resultMsg) }
  } catch {
    // HTML, an empty body: for the marketplace all one.
    return unreadable
  }
}

function bodyOf (push: Push, time: number): Record<string, unknown> {
  const timeStamp = formatPushTime(time)
  return {
    ...push.members,
    ...(push.name === 'authSync' ? { currentSyncTime: timeStamp } : {}),
    flag: push.flag,
    testFlag: 0,
    timeStamp,
  }
}

function nextPushTime (state: MarketplaceState, clock: Clock): number {
  state.lastPushTime = Math.max(clock.now(), state.lastPushTime + 1)
  return state.lastPushTime
}

/** `yyyyMMddHHmmssSSS` in UTC+8 (sync.md §1.1). */
function formatPushTime (time: number): string {
  return new Date(time + 8 * 3_600_000).toISOString().replace(/\D/g, '')
}
