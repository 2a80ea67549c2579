import { endOfPaidTime } from '../directory/contract.ts'
import type { OpenInstance } from '../directory/open-instances.ts'
import type { InstanceId } from '../directory/model.ts'
import type { Choice } from '../pages/views.ts'

/** What a person tells one purchase from another by: the product as the marketplace calls it, the order, until when, their role. */
export function describeChoices (open: readonly OpenInstance[], current: InstanceId | undefined): Choice[] {
  const orders = open.map(orderOf)
  return open.map((each, index) => {
    const { instanceId, role, access, instance } = each
    const product = productOf(each)
    const paidUntil = instance && endOfPaidTime(instance)
    const order = orders[index] ?? ''
    return {
      instanceId,
      ...(product === undefined ? {} : { product }),
      // Some orders are the same for several purchases, and a binding alone may name none.
      order: order === '' || orders.indexOf(order) !== orders.lastIndexOf(order) ? instanceId : order,
      ...(paidUntil === undefined ? {} : { paidUntil }),
      role,
      access,
      isCurrent: instanceId === current,
    }
  })
}

function orderOf ({ tenant, instance }: OpenInstance): string {
  if (instance === undefined) return tenant.orderId
  const { orderId, orderLineId } = instance.order
  return orderLineId === '' ? orderId : `${orderId} / ${orderLineId}`
}

/** Only the order query tells names (sync.md §4.11); ids and codes of products say nothing to a person. */
function productOf ({ instance }: OpenInstance): string | undefined {
  const names = instance?.purchase?.products.map(({ name, skuCode }) => name ?? skuCode).filter((name) => name !== undefined) ?? []
  return names.length === 0 ? undefined : names.join(', ')
}
