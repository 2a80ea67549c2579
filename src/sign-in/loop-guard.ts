/** Sign-ins that may come to nothing within the window before we stop and say why (C-19). */
const mostRounds = 2
const windowMs = 60_000

/**
 * Rounds of one browser: logins that came through, or were started anew, within a minute. A person who is signed in needs no
 * further round; whoever needs a third is in a loop. Kept in a cookie, since it is about one browser and protects only it.
 */
export interface Rounds {
  readonly count: number
  /** Epoch ms of the first. */
  readonly since: number
}

export function readRounds (cookie: string | undefined, now: number): Rounds {
  const match = /^(\d{1,3})\.(\d{13})$/.exec(cookie ?? '')
  const rounds = { count: Number(match?.[1] ?? 0), since: Number(match?.[2] ?? now) }
  return rounds.since > now || now - rounds.since >= windowMs ? { count: 0, since: now } : rounds
}

export function isLoop (rounds: Rounds): boolean {
  return rounds.count >= mostRounds
}

/** The cookie's value after one more round. */
export function nextRound (rounds: Rounds): string {
  return `${Math.min(rounds.count + 1, 999)}.${rounds.since}`
}

export const roundsLifetimeSeconds = windowMs / 1000
