import { setImmediate } from 'node:timers/promises'
import type { z } from 'zod'
import type { KitReading } from './kit-interface.ts'
import { sliceLength } from './list-text.ts'
import { illegal } from './wire-members.ts'

export type ListReading<Item> =
  | { readonly kind: 'list', readonly items: readonly Item[] }
  | KitReading & { readonly kind: 'illegal' }

interface ListOptions<Wire, Item> {
  /** The list's name, for the path of what is illegal. */
  readonly member: string
  readonly element: z.ZodType<Wire>
  readonly toItem: (wire: Wire) => Item
}

/** Reads a member's list, a slice at a time: 5000 users in one go would hold up every other request for 20 ms. */
export async function readWireList<Wire, Item> (
  list: unknown, { member, element, toItem }: ListOptions<Wire, Item>,
): Promise<ListReading<Item>> {
  if (!Array.isArray(list)) return { kind: 'illegal', member }
  const items: Item[] = []
  for (const [index, wire] of list.entries()) {
    if (index > 0 && index % sliceLength === 0) await setImmediate()
    const read = element.safeParse(wire)
    if (!read.success) return illegal(read.error, [member, index])
    items.push(toItem(read.data))
  }
  return { kind: 'list', items }
}
