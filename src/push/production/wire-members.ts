import { z } from 'zod'
import type { InstanceId, Realm } from '../../directory/model.ts'
import { filled } from '../kit/wire-members.ts'
import { parseWireTime } from '../signature/wire-time.ts'

/** A member that may be left out. A blank is no value either: a V1 query says `productId=` (sync.md §3.1). */
export function optionalOrBlank<Schema extends z.ZodType> (schema: Schema) {
  return z.preprocess((value) => (value === '' || value === null ? undefined : value), schema.optional())
}

/** What nothing depends on: of a wrong form it is left out, since to refuse would cost the seller an order. */
export function incidental<Schema extends z.ZodType> (schema: Schema) {
  return optionalOrBlank(schema).catch(undefined)
}

export const instanceId = filled(64).transform((value) => value as InstanceId)
export const orderId = filled(64)
export const orderLineId = filled(64)
export const productId = optionalOrBlank(filled(64))

/** `1` is debugging, `0` or nothing is not (sync.md §4.0). What is neither is refused: a guess could release what was bought. */
export const testFlag = z.union([z.number(), z.string()]).nullish()
  .refine((value) => ['1', '0', ''].includes(String(value ?? '')))
  .transform((value): Realm => (String(value) === '1' ? 'test' : 'production'))

/** `yyyyMMddHHmmss` or 17 digits, in UTC here (sync.md §4.3). Epoch ms. */
export const expireTime = z.string().transform((value, context) => {
  const time = parseWireTime(value, 'utc')
  if (time !== undefined) return time
  context.addIssue({ code: 'custom' })
  return z.NEVER
})

/** What a V2 call about an order of an instance names. */
export const orderHead = { instanceId, orderId, orderLineId, testFlag }
