import type { Clock } from '../../../base/clock.ts'
import type { Session, SessionRef } from '../../../session/session.ts'
import type { StoreChange } from '../../../session/store-changes.ts'
import type { RedisChanges } from '../redis-changes.ts'

/** Half of the second within which a lost notification must do no harm. */
const freshMs = 500
/** As many as a gateway serves at a time. */
const keptSessions = 20_000

/** What of a session came from the store: its sealed bytes are never twice the same, so equal bytes are an equal session. */
export interface ReadSession { readonly bytes: Buffer, readonly session: Session }

interface Kept extends ReadSession {
  /** Epoch ms of when the store was asked; `undefined` when it must be asked again. */
  readonly checkedAt: number | undefined
}

interface Question { readonly askedAt: number, readonly answer: Promise<Session | undefined> }

export interface SessionMemory {
  /**
   * The session as it was in the store at most half a second ago, else what `read` says. Who asks while another one's question is
   * under way shares the answer. `read` is given what was known, to be handed out again if it is still so.
   */
  find (ref: SessionRef, read: (known: ReadSession | undefined) => Promise<ReadSession | undefined>): Promise<Session | undefined>
}

export function createSessionMemory (changes: Pick<RedisChanges, 'listen' | 'isListening'>, clock: Clock): SessionMemory {
  const kept = new Map<SessionRef, Kept>()
  const questions = new Map<SessionRef, Question>()

  const isFresh = (at: number | undefined): boolean => {
    const now = clock.now()
    // A clock that was put back makes everything old, never fresh for long.
    return at !== undefined && changes.isListening && now >= at && now < at + freshMs
  }

  function keep (ref: SessionRef, value: Kept): void {
    kept.delete(ref)
    if (kept.size >= keptSessions) kept.delete(kept.keys().next().value ?? ref)
    kept.set(ref, value)
  }

  async function ask (ref: SessionRef, read: Parameters<SessionMemory['find']>[1], isStanding: () => boolean): Promise<Session | undefined> {
    const askedAt = clock.now()
    const found = await read(kept.get(ref))
    if (found === undefined) kept.delete(ref)
    // Told of a change since it was asked: the answer may be from before it.
    else keep(ref, { ...found, checkedAt: isStanding() ? askedAt : undefined })
    return found?.session
  }

  /** The store must be asked again; an answer that is under way is not kept. */
  function drop (ref: SessionRef): void {
    questions.delete(ref)
    const known = kept.get(ref)
    if (known !== undefined) kept.set(ref, { ...known, checkedAt: undefined })
  }

  function dropAll (): void {
    questions.clear()
    kept.clear()
  }

  function hear (change: StoreChange): void {
    if (change.kind === 'session') drop(change.ref)
    else if (change.kind === 'anything') dropAll()
  }
  changes.listen(hear)

  return {
    find (ref, read) {
      const known = kept.get(ref)
      if (known !== undefined && isFresh(known.checkedAt)) return Promise.resolve(known.session)
      const running = questions.get(ref)
      if (running !== undefined && isFresh(running.askedAt)) return running.answer
      const question: Question = { askedAt: clock.now(), answer: ask(ref, read, () => questions.get(ref) === question) }
      questions.set(ref, question)
      const forget = (): void => { if (questions.get(ref) === question) questions.delete(ref) }
      question.answer.then(forget, forget)
      return question.answer
    },
  }
}
