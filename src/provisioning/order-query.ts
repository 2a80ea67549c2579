import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { OrderKey } from '../directory/instance.ts'
import { openBoundedCaller } from './bounded-call.ts'
import { readOrderAnswer, type OrderAnswer } from './order-answer.ts'
import { signSdkRequest } from './sdk-hmac-sha256.ts'

/** What the operator sets to have orders looked up. */
export interface OrderQueryOptions {
  /** Origins, tried in turn while none can be connected to. */
  readonly baseUrls: readonly string[]
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
}

/** The marketplace has a second domain for when the first is down (sync.md §4.11); an address of one's own stands alone. */
export function orderQueryBaseUrls (url: string): string[] {
  return new URL(url).hostname === 'mkt.myhuaweicloud.com' ? [url, 'https://mkt.myhuaweicloud.cn'] : [url]
}

export interface OrderQuerySurroundings {
  readonly clock: Clock
  readonly dangerouslyAllowHttp: boolean
  /** For each base URL; 5 if absent. */
  readonly timeoutSeconds?: number
}

export interface OrderQuery {
  /** What was bought. Never rejects. The marketplace's mock orders are orders like any other. */
  find (order: OrderKey): Promise<OrderAnswer>
  close (): Promise<void>
}

const path = '/api/mkp-openapi-public/global/v1/order/query'
const largestAnswerBytes = 262_144

/** The marketplace's order query, signed with AK and SK. */
export function openOrderQuery (options: OrderQueryOptions & OrderQuerySurroundings): OrderQuery {
  const { baseUrls, clock, dangerouslyAllowHttp, timeoutSeconds = 5 } = options
  const caller = openBoundedCaller({ largestAnswerBytes, dangerouslyAllowHttp })
  const headers = { 'content-type': 'application/json' }
  return {
    close: () => caller.close(),
    find: async (order) => {
      let answer: OrderAnswer = { kind: 'refused', why: 'unreachable' }
      for (const baseUrl of baseUrls) {
        const url = orderUrl(baseUrl, order)
        const signature = signSdkRequest({ method: 'GET', url, headers, body: '' }, options, clock.now())
        const outcome = await caller.call({ method: 'GET', url, headers: { ...headers, ...signature }, timeoutMilliseconds: timeoutSeconds * 1000 })
        answer = readOrderAnswer(outcome, order)
        if (outcome.kind === 'answered') break
      }
      return answer
    },
  }
}

function orderUrl (baseUrl: string, { orderId, orderLineId }: OrderKey): URL {
  const url = new URL(path, baseUrl)
  url.searchParams.set('orderId', orderId)
  // The line of a V1 pay-per-use order is a product's id (sync.md §4.1), which the query would not know. Real ones are `{orderId}-000001`.
  if (orderLineId.startsWith(`${orderId}-`)) url.searchParams.set('orderLineId', orderLineId)
  return url
}
