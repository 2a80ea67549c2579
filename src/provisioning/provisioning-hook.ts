import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { Instance, InstanceEvent } from '../directory/instance.ts'
import { openBoundedCaller, type CallOutcome } from './bounded-call.ts'
import { readHookAnswer, type HookAnswer } from './hook-answer.ts'
import { timeOf } from '../directory/push-version.ts'
import { signWebhook } from './standard-webhook.ts'

/** What the operator sets to have the seller's system told. */
export interface ProvisioningOptions {
  readonly url: string
  /** At least one, each `whsec_` and the base64 of the key; all sign. */
  readonly secrets: readonly Secret[]
}

export interface ProvisioningHookOptions extends ProvisioningOptions {
  readonly clock: Clock
  readonly dangerouslyAllowHttp: boolean
  /** How long an answer to an event may take; 5 if absent. */
  readonly timeoutSeconds?: number
}

export interface HookMessage {
  /** `webhook-id`. */
  readonly id: string
  readonly body: string
  readonly timeoutMilliseconds: number
}

export interface ProvisioningHook {
  /** Tells of an event once. Never rejects. */
  tell (event: InstanceEvent, instance: Instance | undefined): Promise<HookAnswer>
  /** One signed call of any kind. Never rejects. */
  post (message: HookMessage): Promise<CallOutcome>
  close (): Promise<void>
}

const largestAnswerBytes = 65_536

/** The seller's system, told by signed calls to one address. */
export function openProvisioningHook (options: ProvisioningHookOptions): ProvisioningHook {
  const { secrets, clock, dangerouslyAllowHttp, timeoutSeconds = 5 } = options
  const url = new URL(options.url)
  const caller = openBoundedCaller({ largestAnswerBytes, dangerouslyAllowHttp })
  const post = ({ id, body, timeoutMilliseconds }: HookMessage): Promise<CallOutcome> => {
    const signature = signWebhook(secrets, id, Math.floor(clock.now() / 1000), body)
    return caller.call({ method: 'POST', url, headers: { 'content-type': 'application/json', ...signature }, body, timeoutMilliseconds })
  }
  return {
    post,
    close: () => caller.close(),
    tell: async (event, instance) => readHookAnswer(
      await post({ id: event.id, body: describeEvent(event, instance), timeoutMilliseconds: timeoutSeconds * 1000 }),
    ),
  }
}

/** What is known at this attempt: a purchase may have been learned since the last one. */
function describeEvent ({ type, instanceId, occurredAt, order, details }: InstanceEvent, instance: Instance | undefined): string {
  const { expiresAt, ...others } = details
  return JSON.stringify({
    type,
    timestamp: new Date(timeOf(occurredAt)).toISOString(),
    data: {
      ...others,
      expiresAt: typeof expiresAt === 'number' ? new Date(expiresAt).toISOString() : expiresAt,
      instanceId,
      // Debugging data has no events (sync.md §6, row 22); the member tells a change check of it apart.
      test: false,
      order,
      buyer: instance?.buyer,
      purchase: instance?.purchase,
    },
  })
}
