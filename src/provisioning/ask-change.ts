import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { createRandomId } from '../base/random-id.ts'
import type { InstanceId, Realm } from '../directory/model.ts'
import { brokenMember, readBody, type FailedAnswer } from './hook-answer.ts'
import type { ProvisioningHook } from './provisioning-hook.ts'

export interface ChangeQuestion {
  readonly realm: Realm
  readonly instanceId: InstanceId
  /** The marketplace's `productInfo`, as it came: its members are not documented (sync.md §6, row 20). */
  readonly productInfo: unknown
}

export type ChangeAnswer =
  | { readonly kind: 'fits' }
  | { readonly kind: 'unfit', readonly reason: string }
  /** Nobody could say, so the answer to the marketplace is no (sync.md §4.7). */
  | FailedAnswer

/** Asks the seller's system whether an instance may become another product. Never rejects. */
export type AskChange = (question: ChangeQuestion) => Promise<ChangeAnswer>

/** The marketplace waits 5 s for the whole. */
const timeoutMilliseconds = 3_000

const form = z.discriminatedUnion('status', [
  z.object({ status: z.literal('fits') }),
  z.object({ status: z.literal('refused'), reason: z.string().min(1).max(255) }),
])

/** A question, not an event: one call, nothing kept, not asked again. */
export function createAskChange ({ hook, clock }: { hook: Pick<ProvisioningHook, 'post'>, clock: Clock }): AskChange {
  return async ({ realm, instanceId, productInfo }) => {
    const body = JSON.stringify({
      type: 'instance.change-check',
      timestamp: new Date(clock.now()).toISOString(),
      data: { instanceId, test: realm === 'test', productInfo },
    })
    const answer = readBody(await hook.post({ id: `chk_${createRandomId()}`, body, timeoutMilliseconds }))
    if (answer.kind === 'failed') return answer
    // A hook that answers everything it doesn't know with 204 has not said yes.
    if (answer.kind === 'empty') return { kind: 'failed', why: 'not-json', status: answer.status }
    const parsed = form.safeParse(answer.members)
    if (!parsed.success) return brokenMember(parsed.error)
    return parsed.data.status === 'fits' ? { kind: 'fits' } : { kind: 'unfit', reason: parsed.data.reason }
  }
}
