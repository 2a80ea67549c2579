/**
 * What is known of one server. `in`: gets its share. `aside`: failed requests, and is tried again by one request when its time is over.
 * `out`: fails its checks, and comes back when they are good again.
 */
export interface ServerHealth {
  readonly standing: 'in' | 'aside' | 'out'
  /** Epoch ms: when the standing came about; what follows from it is for requests sent later only. */
  readonly since: number
  /** Connections lost in a row. */
  readonly lost: number
  /** Of a server set aside: when to try it, and whether somebody is trying it now. */
  readonly tryAt: number
  readonly isOnTrial: boolean
  /** How long it was set aside the last time since it answered; 0: not at all. */
  readonly asideMs: number
  /** Checks in a row. */
  readonly goodChecks: number
  readonly badChecks: number
}

/** A lost connection may be one that the server had closed for being idle. So many in a row are none of those. */
const mostLost = 3
const firstAsideMs = 1_000
const longestAsideMs = 60_000
const badChecksUntilOut = 3
const goodChecksUntilIn = 2
/** What a server that has come back begins with. */
const leastWeight = 0.1

/** Nothing is known, so it gets its full share. */
export const freshHealth: ServerHealth = {
  standing: 'in', since: -Infinity, lost: 0, tryAt: 0, isOnTrial: false, asideMs: 0, goodChecks: 0, badChecks: 0,
}

/** No connection came about. That is no accident of one request, so it counts at once. */
export function afterFailedConnection (health: ServerHealth, now: number): ServerHealth {
  // Of the requests that were under way when it was set aside nothing new is learnt, however many there were.
  if (health.standing === 'out' || (health.standing === 'aside' && !health.isOnTrial)) return health
  const asideMs = Math.min(Math.max(health.asideMs * 2, firstAsideMs), longestAsideMs)
  return { ...health, standing: 'aside', since: now, lost: 0, tryAt: now + asideMs, isOnTrial: false, asideMs, goodChecks: 0 }
}

/** The connection was lost, or nothing came over it, before there were response headers. */
export function afterLostConnection (health: ServerHealth, now: number): ServerHealth {
  const lost = health.lost + 1
  if (health.standing === 'in' && lost < mostLost) return { ...health, lost }
  return afterFailedConnection(health, now)
}

/** Response headers came, whatever their status. */
export function afterAnswer (health: ServerHealth, now: number, sentAt: number): ServerHealth {
  if (health.standing === 'in') return health.lost === 0 && health.asideMs === 0 ? health : { ...health, lost: 0, asideMs: 0 }
  // A server that is stopping answers what it has, and takes nothing new.
  if (health.standing === 'out' || sentAt <= health.since) return health
  return { ...health, standing: 'in', since: now, lost: 0, isOnTrial: false, asideMs: 0 }
}

export function afterCheck (health: ServerHealth, now: number, isGood: boolean): ServerHealth {
  const goodChecks = isGood ? health.goodChecks + 1 : 0
  const badChecks = isGood ? 0 : health.badChecks + 1
  const checked = { ...health, goodChecks, badChecks }
  if (health.standing !== 'out' && badChecks >= badChecksUntilOut) return { ...checked, standing: 'out', since: now, isOnTrial: false }
  if (health.standing !== 'in' && goodChecks >= goodChecksUntilIn) return { ...checked, standing: 'in', since: now, lost: 0, isOnTrial: false }
  return checked
}

/** Whether the next request is to try a server that was set aside. */
export function isTrialDue (health: ServerHealth, now: number): boolean {
  return health.standing === 'aside' && now >= health.tryAt
}

/** One request goes there; the next only if that one is not heard of again. */
export function onTrial (health: ServerHealth, now: number): ServerHealth {
  return { ...health, isOnTrial: true, tryAt: now + health.asideMs }
}

/** A server's share: 1, or less while it starts slowly after coming back (its caches are cold); 0 while it isn't in. */
export function weightOf ({ standing, since }: ServerHealth, now: number, slowStartMs: number): number {
  if (standing !== 'in') return 0
  const age = now - since
  return age >= slowStartMs ? 1 : Math.max(age / slowStartMs, leastWeight)
}
