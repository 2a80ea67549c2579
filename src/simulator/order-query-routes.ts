import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { isEqualInConstantTime } from '../base/digest.ts'
import { signSdkRequest, type SdkCredentials } from '../provisioning/sdk-hmac-sha256.ts'
import { formatWireTime, parseWireTime } from '../push/signature/wire-time.ts'
import { orderLineIdOf, type Order } from './instance.ts'
import type { MarketplaceOptions } from './marketplace-options.ts'
import type { MarketplaceState } from './marketplace-state.ts'
import { findOrder } from './orders.ts'

/** Huawei Cloud's gateways allow that much between `X-Sdk-Date` and now. */
const windowMilliseconds = 15 * 60_000

const orderQuery = z.object({ orderId: z.string().min(1).max(64), orderLineId: z.string().max(64).optional() })

/** The seller's side of the marketplace's API: what was ordered (sync.md §4.11). */
export function registerOrderQuery (app: FastifyInstance, state: MarketplaceState, options: MarketplaceOptions): void {
  const { clock, orderQueryCredentials } = options
  app.get('/api/mkp-openapi-public/global/v1/order/query', async (request, reply) => {
    const fault = orderQueryCredentials === undefined
      ? 'no credentials are known here'
      : findSignatureFault(request, orderQueryCredentials, clock.now())
    // As the API gateway before the real one says it.
    if (fault !== '') return await reply.code(401).send({ error_code: 'APIG.0301', error_msg: `Incorrect IAM authentication information: ${fault}` })
    const query = orderQuery.safeParse(request.query)
    if (!query.success) return { resultCode: 'MKT.9001', resultMsg: 'the order id is missing or too long' }
    const { orderId, orderLineId = orderLineIdOf(orderId) } = query.data
    const order = findOrder(state, orderId, clock.now())
    if (order === undefined || orderLineId !== orderLineIdOf(orderId)) return { resultCode: 'MKT.9002', resultMsg: 'there is no such order' }
    return { resultCode: 'MKT.0000', resultMsg: 'success', orderInfo: orderInfo(order) }
  })
}

/** Signs the request anew and compares; `''` if it is well signed. */
function findSignatureFault ({ headers, url }: FastifyRequest, credentials: SdkCredentials, now: number): string {
  const { authorization = '', 'x-sdk-date': date, host = '' } = headers
  const signedHeaders = /^SDK-HMAC-SHA256 Access=[^,]+, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$/.exec(authorization)?.[1]?.split(';')
  const sentAt = typeof date === 'string' ? parseWireTime(date.replace(/^(\d{8})T(\d{6})Z$/, '$1$2'), 'utc') : undefined
  if (signedHeaders === undefined || sentAt === undefined) return 'the signature is missing or malformed'
  if (Math.abs(now - sentAt) > windowMilliseconds) return 'the signature is too old or too new'
  // The signer adds these two on its own.
  const others = signedHeaders.filter((name) => name !== 'host' && name !== 'x-sdk-date')
  const signed = Object.fromEntries(others.map((name): [string, string] => [name, String(headers[name] ?? '')]))
  const request = { method: 'GET', url: new URL(url, `http://${host}`), headers: signed, body: '' } as const
  return isEqualInConstantTime(signSdkRequest(request, credentials, sentAt).authorization, authorization) ? '' : 'the signature is wrong'
}

function orderInfo (order: Order): object {
  const { orderId, type, createdAt, chargingMode, periodType, expiresAt, productId, skuCode, customerName } = order
  const period = periodType === '' ? {} : { periodType, periodNumber: periodType === 'day' ? 30 : 1 }
  const expiry = expiresAt === undefined ? {} : { expireTime: seconds(expiresAt) }
  const orderLine = [{ orderLineId: orderLineIdOf(orderId), chargingMode, ...period, ...expiry, productInfo: [{ productId, skuCode }] }]
  return { orderId, orderType: type, createTime: seconds(createdAt), orderLine, buyerInfo: { customerName }, extendParams: [] }
}

const seconds = (time: number): string => formatWireTime(time, 'utc').slice(0, 14)
