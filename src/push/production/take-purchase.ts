import type { DirectoryStore, PushReceipt } from '../../directory/directory-store.ts'
import type { Instance } from '../../directory/instance.ts'
import type { InstanceChange, InstancePush } from '../../directory/push-message.ts'
import type { Provisioning } from '../../provisioning/open-provisioning.ts'
import { within } from '../within.ts'

export type CreationPush = InstancePush & { readonly change: Extract<InstanceChange, { kind: 'create' }> }

export interface TakePurchaseOptions {
  readonly directory: Pick<DirectoryStore, 'commit' | 'findInstanceOfOrder'>
  readonly provisioning: Pick<Provisioning, 'wake'>
  /** How long the seller's system may make the marketplace wait; it gives up after 5 s (sync.md §0.4). */
  readonly waitMilliseconds: number
  /** Of `wake`: that it failed changes the answer to "in process" and no more. */
  readonly onWakeFault: (cause: unknown) => void
}

export function isCreation (push: { readonly kind: string }): push is CreationPush {
  return push.kind === 'instance' && (push as InstancePush).change.kind === 'create'
}

/**
 * newInstance: keeps the purchase, gives the seller's system a moment to say "ready", and fixes the id before the marketplace hears it.
 * Every step can be taken again, so a repeat goes on where a power cut had stopped the first.
 *
 * @returns the instance as it is to be answered
 */
export async function takePurchase (
  { directory, provisioning, waitMilliseconds, onWakeFault }: TakePurchaseOptions, push: CreationPush, receipt: PushReceipt,
): Promise<{ readonly isRepeat: boolean, readonly instance: Instance }> {
  const { kind } = await directory.commit(push, receipt)
  const { realm, change: { order } } = push
  const made = await directory.findInstanceOfOrder(realm, order)
  if (made?.provisioning === 'pending' && provisioning.wake !== undefined) {
    await within(waitMilliseconds, provisioning.wake(made.instanceId)).catch(onWakeFault)
  }
  return { isRepeat: kind === 'repeated', instance: await tell(directory, push) }
}

/** Until it is told, the seller's system may still give the instance another id, also between our looking and our telling. */
async function tell (directory: TakePurchaseOptions['directory'], { realm, version, change: { order } }: CreationPush): Promise<Instance> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const instance = await directory.findInstanceOfOrder(realm, order)
    if (instance === undefined) break
    if (instance.isTold) return instance
    const told = await directory.commit({ kind: 'instance', realm, version, instanceId: instance.instanceId, change: { kind: 'tell' } })
    if (told.kind === 'committed' && told.instance !== undefined) return told.instance
  }
  throw new Error('a purchase that was just kept is not there')
}
