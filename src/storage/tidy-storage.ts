import type { Clock } from '../base/clock.ts'
import { eraseDue, type EraseDueDeps } from '../directory/erase-due.ts'
import type { Storage } from './storage.ts'

export interface TidyOptions extends Pick<EraseDueDeps, 'sign' | 'onErased'> {
  readonly clock: Clock
  readonly idleTimeoutSeconds: number
  readonly retention: { readonly erasureDays: number, readonly pushLogDays: number, readonly pushLogMegabytes: number }
  /** Names this gateway among those on the store. */
  readonly holder: string
}

export const tidyIntervalMs = 60_000
const dayMs = 86_400_000
const megabyte = 1_000_000

/**
 * What runs each minute: removes what has expired, and erases what must be forgotten. Until then it only takes room, since every read
 * judges the time by itself. Of several gateways on one store one does it.
 */
export async function tidyStorage (storage: Storage, options: TidyOptions): Promise<void> {
  const { clock, idleTimeoutSeconds, retention, holder, ...erasure } = options
  const { sessions, flows, directory, pushLog, erasures, leases, rateLimits } = storage
  const now = clock.now()
  if (!await leases.acquire('tidy', holder, now, 5 * tidyIntervalMs)) return
  await sessions.sweep(now, now - idleTimeoutSeconds * 1000)
  await flows.sweep(now)
  await directory.sweep(now)
  await rateLimits.sweep(now)
  await leases.sweep(now)
  await pushLog.sweep(now - retention.pushLogDays * dayMs, retention.pushLogMegabytes * megabyte)
  await eraseDue({ erasures, clock, retentionDays: retention.erasureDays, ...erasure })
}
