import { z } from 'zod'
import type { OrderKey, Purchase } from '../directory/instance.ts'
import type { CallOutcome } from './bounded-call.ts'
import { brokenMember, readBody, type FailedAnswer } from './hook-answer.ts'

export type OrderAnswer =
  | { readonly kind: 'purchase', readonly purchase: Purchase }
  | {
    readonly kind: 'refused'
    /** `result`: the marketplace says no with a result code; `other-order`: it answered about another one. */
    readonly why: FailedAnswer['why'] | 'result' | 'other-order'
    readonly resultCode?: string
    readonly status?: number
    readonly member?: string
    readonly cause?: unknown
  }

// Tolerant: members are null or absent, numbers also come as text, and a list of one may come as its only entry.
const text = z.union([z.string().max(1024), z.number().transform(String)])
const number = z.union([z.number(), z.string().regex(/^\d+(?:\.\d+)?$/).transform(Number)])
const listOf = <Item extends z.ZodType>(item: Item) => z.union([z.array(item), item.transform((one) => [one])]).nullish()

const product = z.object({
  productId: text, skuCode: text.nullish(), productName: text.nullish(), linearValue: number.nullish(),
})
const line = z.object({
  orderLineId: text.nullish(),
  chargingMode: text.nullish(),
  periodType: text.nullish(),
  periodNumber: number.nullish(),
  productInfo: listOf(product),
})
const answerForm = z.object({
  orderInfo: z.object({ orderId: text, orderType: text, orderLine: listOf(line) }),
})

type Line = z.output<typeof line>

/** What the order query answered (sync.md §4.11), narrowed to the line that was asked for. */
export function readOrderAnswer (outcome: CallOutcome, order: OrderKey): OrderAnswer {
  const body = readBody(outcome)
  if (body.kind === 'failed') return { ...body, kind: 'refused' }
  if (body.kind === 'empty') return { kind: 'refused', why: 'not-json', status: body.status }
  const { resultCode } = body.members
  if (typeof resultCode !== 'string') return { kind: 'refused', why: 'member', member: 'resultCode' }
  if (resultCode !== 'MKT.0000') return { kind: 'refused', why: 'result', resultCode: resultCode.slice(0, 16) }
  const parsed = answerForm.safeParse(body.members)
  if (!parsed.success) return { ...brokenMember(parsed.error), kind: 'refused' }
  const { orderInfo } = parsed.data
  if (orderInfo.orderId !== order.orderId) return { kind: 'refused', why: 'other-order' }
  const lines = orderInfo.orderLine ?? []
  return { kind: 'purchase', purchase: describePurchase(orderInfo, findLine(lines, order.orderLineId)) }
}

/** The line itself, or the one that holds the product: V1 names that in place of a line. */
function findLine (lines: readonly Line[], orderLineId: string): Line | undefined {
  return lines.find((line) => line.orderLineId === orderLineId) ??
    lines.find((line) => line.productInfo?.some((item) => item.productId === orderLineId)) ??
    lines[0]
}

function describePurchase ({ orderId, orderType }: { orderId: string, orderType: string }, line: Line | undefined): Purchase {
  const { chargingMode, periodType, periodNumber } = line ?? {}
  return {
    orderId,
    orderType,
    ...(chargingMode != null && { chargingMode }),
    ...(periodType != null && { periodType }),
    ...(periodNumber != null && { periodNumber }),
    products: (line?.productInfo ?? []).map(({ productId, skuCode, productName: name, linearValue: amount }) => ({
      productId,
      ...(skuCode != null && { skuCode }),
      ...(name != null && { name }),
      ...(amount != null && { amount }),
    })),
  }
}
