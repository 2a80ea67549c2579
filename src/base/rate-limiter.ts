import type { Clock } from './clock.ts'
import type { RateLimitStore } from './rate-limit-store.ts'

export type RateVerdict = { readonly kind: 'within' } | { readonly kind: 'over', readonly retryAfterSeconds: number }

export interface RateLimiter {
  /**
   * Counts one more and says whether that is still within the limit. A fault of the store rejects: whoever can't be counted doesn't
   * get in.
   *
   * @param what the thing that is limited
   * @param who an address, a tenant; `''` for everybody together
   */
  count (what: string, who: string, limit: number): Promise<RateVerdict>
}

const windowMs = 60_000
const mostKnownOver = 10_000

/** Limits for each minute. Who is over the limit is remembered to the end of the minute, so that a flood doesn't cost a write each. */
export function createRateLimiter (store: Pick<RateLimitStore, 'count'>, clock: Clock): RateLimiter {
  let over = new Set<string>()
  let overUntil = 0

  return {
    async count (what, who, limit) {
      const now = clock.now()
      const endsAt = now - now % windowMs + windowMs
      if (overUntil !== endsAt) [over, overUntil] = [new Set(), endsAt]
      const key = JSON.stringify([what, who])
      if (!over.has(key) && await store.count(key, now, windowMs) <= limit) return { kind: 'within' }
      if (over.size < mostKnownOver) over.add(key)
      return { kind: 'over', retryAfterSeconds: Math.ceil((endsAt - now) / 1000) }
    },
  }
}
