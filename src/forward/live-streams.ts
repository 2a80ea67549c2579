import { setImmediate } from 'node:timers/promises'
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
  add (stream: LiveStream): void
  /** It is over by itself, or was ended. */
  remove (stream: LiveStream): void
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
  readonly streams: Set<LiveStream>
  state: 'idle' | 'checking' | 'check-again'
  unanswered: number
  fault: unknown
}

/**
 * What is open longer than a request takes, by session: it ends when the session does (T-36, C-43). The session is judged again when the
 * store tells of a change and four times a second by ourselves. The traffic is no sign of life: nobody looks at it here.
 */
export function openLiveStreams ({ changes, recheck, onUnjudged }: LiveStreamsOptions): LiveStreams {
  // Most responses are over before anybody asks: what it costs them is to be in here for a moment.
  const fresh = new Set<LiveStream>()
  const watches = new Map<SessionRef, Watch>()
  // Nobody's: they end with the gateway only.
  const anonymous = new Set<LiveStream>()
  let isClosing = false

  function watchOf (stream: LiveStream, session: KnownSession): Watch {
    let watch = watches.get(session.ref)
    if (watch === undefined) {
      watch = { session, streams: new Set(), state: 'idle', unanswered: 0, fault: undefined }
      watches.set(session.ref, watch)
    }
    watch.streams.add(stream)
    return watch
  }

  function watchFresh (): void {
    for (const stream of fresh) {
      if (stream.session !== undefined) watchOf(stream, stream.session)
    }
    fresh.clear()
  }

  function end (watch: Watch, reason: StreamEnd): void {
    if (watches.get(watch.session.ref) === watch) watches.delete(watch.session.ref)
    const ended = [...watch.streams]
    watch.streams.clear()
    for (const stream of ended) stream.end(reason)
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
    if (isDue && watch.streams.size > 0) await judge(watch)
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
      if (isClosing && stream.isEndless) stream.end('gateway-closing')
      else if (stream.session === undefined) anonymous.add(stream)
      else if (!stream.isEndless) fresh.add(stream)
      // The application may have thought about it for long since the session was judged.
      else check(watchOf(stream, stream.session))
    },
    remove (stream) {
      if (fresh.delete(stream) || anonymous.delete(stream) || stream.session === undefined) return
      const watch = watches.get(stream.session.ref)
      watch?.streams.delete(stream)
      if (watch?.streams.size === 0) watches.delete(stream.session.ref)
    },
    get size () {
      return [...watches.values()].reduce((sum, { streams }) => sum + streams.size, fresh.size + anonymous.size)
    },
    endEndless () {
      isClosing = true
      for (const streams of [...[...watches.values()].map((watch) => watch.streams), anonymous]) {
        for (const stream of [...streams].filter(({ isEndless }) => isEndless)) stream.end('gateway-closing')
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
      if (watch.streams.size > 0) look(watch)
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
