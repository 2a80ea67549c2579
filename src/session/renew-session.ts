import { faults } from '../base/coded-errors.ts'
import { judgeTokens, repeatAfterMs } from './life-rules.ts'
import { attemptRenewal, renewalLeaseMs, type AttemptOutcome, type RenewalAttemptDeps } from './renewal-attempt.ts'
import { RenewalLanes, type Barrier } from './renewal-lanes.ts'
import type { Session, SessionRef } from './session.ts'
import type { StoreChanges } from './store-changes.ts'

export interface RenewalDeps extends RenewalAttemptDeps {
  readonly changes: StoreChanges
}

export interface Renewal {
  /** One attempt at most, beside a request; doesn't wait for another gateway's. */
  attempt (session: Session): Promise<AttemptOutcome | Barrier>
  /**
   * For a request that can't go on without the outcome, for a bounded time: also waits for another gateway's attempt, and takes over
   * where that one died.
   *
   * @returns `over` if the session can't go on: refused, ended meanwhile, or the attempt just made brought nothing
   * @throws `GW_SESSION_RENEWAL_PENDING` when the time is over, or the authorization server has asked for time: nobody is signed out
   * because somebody is slow
   */
  finish (session: Session): Promise<'renewed' | 'over'>
  /** Starts no more attempts and waits for those under way, which are bounded: a token set that comes now is worth storing. */
  close (): Promise<void>
}

/** How soon to look again for what another gateway does; most often its notification comes first. */
const pollMs = 250

/** Renews sessions' tokens; one attempt at a time for each session, whoever else asks meanwhile shares it (T-28). */
export function createRenewal (deps: RenewalDeps): Renewal {
  const { sessions, clock, limits, callTimeoutSeconds } = deps
  const lanes = new RenewalLanes(clock)
  const flights = new Map<SessionRef, Promise<AttemptOutcome | Barrier>>()
  const attemptDeps: RenewalAttemptDeps = { ...deps, askForTokens: askServer }

  async function fly (session: Session, isAwaited: boolean): Promise<AttemptOutcome | Barrier> {
    const leave = await lanes.enter(session.tenantId, isAwaited)
    if (typeof leave === 'string') return leave
    try {
      return await attemptRenewal(attemptDeps, session)
    } finally {
      leave()
    }
  }

  /** What the server says to one session tells the others of its tenant whether to go there now. */
  async function askServer (session: Session): ReturnType<RenewalDeps['askForTokens']> {
    const answer = await deps.askForTokens(session)
    const { tenantId } = session
    if (answer.kind !== 'unavailable') lanes.open(tenantId)
    else if (answer.retryAfterSeconds !== undefined) lanes.close(tenantId, clock.now() + answer.retryAfterSeconds * 1000, true)
    else lanes.close(tenantId, clock.now() + repeatAfterMs(1, 0), false)
    return answer
  }

  function attempt (session: Session, isAwaited: boolean): Promise<AttemptOutcome | Barrier> {
    const running = flights.get(session.ref)
    if (running !== undefined) return running
    const flight = fly(session, isAwaited).finally(() => flights.delete(session.ref))
    flights.set(session.ref, flight)
    return flight
  }

  async function finish (session: Session): Promise<'renewed' | 'over'> {
    // Where another gateway died: until its time is over, and then a call.
    const isLate = createDeadline(deps, renewalLeaseMs(callTimeoutSeconds) + pollMs + callTimeoutSeconds * 1000)
    try {
      for (let seen = session; ;) {
        // Past the grace it is the server that has named this time; see `nextAttemptAt`.
        if (clock.now() < seen.renewalDueAt) throw new faults.RenewalPending()
        const outcome = await Promise.race([attempt(seen, true), isLate.promise])
        if (outcome === 'renewed') return outcome
        if (outcome === 'refused' || outcome === 'unavailable') return 'over'
        if (outcome === 'asked' || outcome === 'late') throw new faults.RenewalPending()
        if (outcome !== 'overtaken') await Promise.race([untilChanged(deps, session.ref), isLate.promise])
        const current = await sessions.find(session.ref)
        if (current === undefined) return 'over'
        if (judgeTokens(current, clock.now(), limits) !== 'await') return 'renewed'
        seen = current
      }
    } finally {
      isLate.cancel()
    }
  }

  return {
    attempt: (session) => attempt(session, false),
    finish,
    async close () {
      lanes.shut()
      await Promise.allSettled(flights.values())
    },
  }
}

function createDeadline ({ schedule }: Pick<RenewalDeps, 'schedule'>, milliseconds: number): { promise: Promise<'late'>, cancel: () => void } {
  let cancel = (): void => {}
  const promise = new Promise<'late'>((resolve) => { cancel = schedule(milliseconds, () => { resolve('late') }) })
  return { promise, cancel }
}

/** Resolves at the next notification about the session, or after a while without one. */
function untilChanged ({ changes, schedule }: Pick<RenewalDeps, 'changes' | 'schedule'>, ref: SessionRef): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      stopListening()
      cancel()
      resolve()
    }
    const stopListening = changes.listen((change) => {
      if (change.kind === 'anything' || (change.kind === 'session' && change.ref === ref)) wake()
    })
    const cancel = schedule(pollMs, wake)
  })
}
