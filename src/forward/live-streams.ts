import { setImmediate } from 'node:timers/promises'
import { Roster, type Place } from '../base/roster.ts'
import type { AccessRefusal } from '../directory/refusal.ts'
import type { KnownSession, Recheck } from '../session/authenticate.ts'
import type { Authentication, LoginReason } from '../session/authentication.ts'
import type { SessionRef } from '../session/session.ts'
import type { StoreChange, StoreChanges } from '../session/store-changes.ts'

/** Why a response or a tunnel was ended. The client hears it where it can, the log line holds it always. */
export type StreamEnd =
  | AccessRefusal
  | Exclude<LoginReason, 'no-cookie' | 'cookie-ambiguous' | 'session-unknown'>
  | 'session-ended' | 'choice-needed' | 'storage-unavailable' | 'gateway-closing'

/** A response under way, or a tunnel. */
export interface LiveStream {
  /** `undefined`: on a public path, where nothing is judged. */
  readonly session: KnownSession | undefined
  /** A tunnel or an event stream: its end is nobody's plan, so a gateway that stops doesn't wait for it. */
  readonly isEndless: boolean
  /** Ends it for both sides. Must not throw; may be called before `add` returns. */
  end (reason: StreamEnd): void
}

export interface LiveStreams {
  /** To be left when it is over by itself, and when it was ended. */
  add (stream: LiveStream): Place
  readonly size: number
  /** The gateway stops: ends what would never end, at once and from now on. */
  endEndless (): void
  close (): void
}

export interface LiveStreamsOptions {
  readonly changes: StoreChanges
  readonly recheck: Recheck
  /** Told when a session could not be judged for so long that its streams are ended. */
  readonly onUnjudged: (error: unknown, ref: SessionRef) => void
}

/**
 * How often every session with something open is judged, told or not. With a store that may answer from memory for half a second, this
 * keeps the bound of a second (C-27) if each notification is lost.
 */
const checkEveryMs = 250
/** After five seconds without a judgement nobody knows any more whether access was taken away: a request gets 503, a stream ends. */
const mostUnansweredChecks = 20

/** Judged in one turn of the event loop, about a millisecond: requests come in between. */
const judgedAtOnce = 100

interface Watch {
  readonly session: KnownSession
  readonly entries: Roster<Entry>
  state: 'idle' | 'checking' | 'check-again'
  unanswered: number
  fault: unknown
}

/** A stream, and where it is for now. */
class Entry implements Place {
  readonly stream: LiveStream
  #place: Place | undefined
  #onLeave: (() => void) | undefined

  constructor (stream: LiveStream) {
    this.stream = stream
  }

  moveTo (entries: Roster<Entry>, onLeave?: () => void): void {
    this.#place?.leave()
    this.#place = entries.add(this)
    this.#onLeave = onLeave
  }

  leave (): void {
    this.#place?.leave()
    this.#onLeave?.()
  }
}

/**
 * What is open longer than a request takes, by session: it ends when the session does (T-36, C-43). The session is judged again when the
 * store tells of a change and four times a second by ourselves. The traffic is no sign of life: nobody looks at it here.
 */
export function openLiveStreams ({ changes, recheck, onUnjudged }: LiveStreamsOptions): LiveStreams {
  // Most responses are over before anybody asks: what it costs them is to be in here for a moment.
  const fresh = new Roster<Entry>()
  const watches = new Map<SessionRef, Watch>()
  // Nobody's: they end with the gateway only.
  const anonymous = new Roster<Entry>()
  let isClosing = false

  function watchOf (entry: Entry, session: KnownSession): Watch {
    let watch = watches.get(session.ref)
    if (watch === undefined) {
      watch = { session, entries: new Roster(), state: 'idle', unanswered: 0, fault: undefined }
      watches.set(session.ref, watch)
    }
    const { entries } = watch
    entry.moveTo(entries, () => { if (entries.size === 0) forget(session.ref, entries) })
    return watch
  }

  function forget (ref: SessionRef, entries: Roster<Entry>): void {
    if (watches.get(ref)?.entries === entries) watches.delete(ref)
  }

  function watchFresh (): void {
    for (const entry of fresh.members()) {
      if (entry.stream.session !== undefined) watchOf(entry, entry.stream.session)
    }
  }

  function end (watch: Watch, reason: StreamEnd): void {
    forget(watch.session.ref, watch.entries)
    for (const { stream } of watch.entries.dismiss()) stream.end(reason)
  }

  async function judge (watch: Watch): Promise<void> {
    watch.state = 'checking'
    try {
      const authentication = await recheck(watch.session)
      watch.unanswered = 0
      if (authentication.kind !== 'allow') return end(watch, reasonOf(authentication))
    } catch (error) {
      // No session ends because the store is away (C-35); what is asked next may be answered.
      watch.fault = error
    }
    // Read again: while it was asked, a change may have been told that the answer doesn't know of.
    const isDue = (watch.state as Watch['state']) === 'check-again'
    watch.state = 'idle'
    if (isDue && watch.entries.size > 0) await judge(watch)
  }

  function check (watch: Watch): void {
    if (watch.state === 'idle') void judge(watch)
    else watch.state = 'check-again'
  }

  function onChange (change: StoreChange): void {
    watchFresh()
    if (change.kind === 'session') {
      const watch = watches.get(change.ref)
      if (watch !== undefined) check(watch)
      return
    }
    if (change.kind !== 'anything' && change.realm !== 'production') return
    // Whose an instance is only the store knows.
    const concerned = [...watches.values()].filter(({ session }) => change.kind !== 'tenant' || change.tenantId === session.tenantId)
    void inSlices(concerned, check)
  }

  function checkAll (): void {
    watchFresh()
    void inSlices([...watches.values()], (watch) => {
      if (++watch.unanswered > mostUnansweredChecks) {
        onUnjudged(watch.fault, watch.session.ref)
        end(watch, 'storage-unavailable')
      } else if (watch.state === 'idle') void judge(watch)
    })
  }

  const stopListening = changes.listen(onChange)
  const timer = setInterval(checkAll, checkEveryMs).unref()

  return {
    add (stream) {
      const entry = new Entry(stream)
      if (isClosing && stream.isEndless) stream.end('gateway-closing')
      else if (stream.session === undefined) entry.moveTo(anonymous)
      else if (!stream.isEndless) entry.moveTo(fresh)
      // The application may have thought about it for long since the session was judged.
      else check(watchOf(entry, stream.session))
      return entry
    },
    get size () {
      return [...watches.values()].reduce((sum, { entries }) => sum + entries.size, fresh.size + anonymous.size)
    },
    endEndless () {
      isClosing = true
      for (const entries of [...[...watches.values()].map((watch) => watch.entries), anonymous]) {
        for (const { stream } of entries.members()) if (stream.isEndless) stream.end('gateway-closing')
      }
    },
    close () {
      clearInterval(timer)
      stopListening()
    },
  }
}

async function inSlices (watches: readonly Watch[], look: (watch: Watch) => void): Promise<void> {
  for (let at = 0; at < watches.length; at += judgedAtOnce) {
    if (at > 0) await setImmediate()
    for (const watch of watches.slice(at, at + judgedAtOnce)) {
      if (watch.entries.size > 0) look(watch)
    }
  }
}

function reasonOf (authentication: Exclude<Authentication, { kind: 'allow' }>): StreamEnd {
  switch (authentication.kind) {
    case 'refuse': return authentication.reason
    case 'choose': return 'choice-needed'
    case 'login': return isOver(authentication.because) ? authentication.because : 'session-ended'
  }
}

function isOver (because: LoginReason): because is Extract<LoginReason, StreamEnd> {
  return because === 'session-idle' || because === 'session-expired' || because === 'tokens-ended' || because === 'role-changed'
}
