import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { filled, illegal, present, text } from '../kit/wire-members.ts'
import { decodeOnce } from '../signature/raw-query.ts'
import { instanceMessage, type ProductionInterface } from './production-interface.ts'
import { incidental, instanceId, orderHead, orderId, testFlag } from './wire-members.ts'

const bodyV2 = z.object(orderHead)

// At most 7 digits in the current copy, 4 in others (sync.md §4.6).
const quantity = incidental(z.string().regex(/^\d{1,7}$/))

const parametersV1 = z.object({
  instanceId,
  orderId,
  testFlag,
  skuCode: filled(64),
  productId: filled(64),
  amount: quantity,
  diskSize: quantity,
  bandWidth: quantity,
  saasExtendParams: incidental(filled(4096)),
})

/** 商品升级 (sync.md §4.6). What was bought is asked for with an order query. */
export const upgradeInstanceV2: ProductionInterface = {
  activity: 'upgradeInstance',
  generation: 'v2',
  read (members, context) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { orderId, orderLineId } = read.data
    return instanceMessage(read.data, context, { kind: 'upgrade', order: { orderId, orderLineId }, details: {} })
  },
}

/** V1's word for it says itself what was bought (sync.md §4.6). */
export const upgradeV1: ProductionInterface = {
  activity: 'upgrade',
  generation: 'v1',
  read (members, context) {
    const read = parametersV1.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { orderId, productId, skuCode, amount, diskSize, bandWidth, saasExtendParams = '' } = read.data
    const details = { ...readExtendParams(saasExtendParams), ...present({ skuCode, amount, diskSize, bandWidth }) }
    return instanceMessage(read.data, context, { kind: 'upgrade', order: { orderId, orderLineId: '' }, productId, details })
  },
}

const extendParams = z.array(z.object({ name: z.string().regex(/^[A-Za-z]\w{0,63}$/), value: text(1024) }))

/** `urlEncode(base64(JSON))`, of which the query's own decoding may have left one layer. What can't be read was never sent. */
function readExtendParams (encoded: string): Record<string, string> {
  const json = Buffer.from(decodeOnce(encoded) ?? '', 'base64')
  try {
    const list = extendParams.safeParse(isUtf8(json) ? JSON.parse(json.toString()) : undefined)
    return list.success ? Object.fromEntries(list.data.map(({ name, value }) => [name, value])) : {}
  } catch {
    // No JSON: the upgrade counts without its extras.
    return {}
  }
}
