import type { Secret } from '../base/secret.ts'
import { headerOf, type RawAnswer, type Reply, type Sent } from './line.ts'
import { failure, notReached, sound, type Observation } from './observation.ts'

/** A signed call and what became of it. */
export interface Exchange {
  /** The interface, such as `authSync V2`. */
  readonly subject: string
  /** What was special about it, in words; `''` if nothing. */
  readonly how: string
  readonly isLarge: boolean
  readonly sent: Sent
  /** Among which keys that of the answer must be. */
  readonly answerKeys: readonly Secret[]
  readonly reply: Reply
}

export interface Result {
  readonly resultCode: string
  readonly resultMsg: string
  readonly members: Readonly<Record<string, unknown>>
}

/** An answer as the marketplace reads it, or the rule for which it gets no further (sync.md §0.4, §4.13). */
export type Reading = { readonly kind: 'result', readonly result: Result } | { readonly kind: 'undecided', readonly because: string }

export function readReply (reply: Reply): Reading {
  if (reply.kind === 'none') return undecided(reply.code === 'no-time-left' ? 'time.total' : 'answers.arrive')
  const { answer } = reply
  if (isRedirect(answer)) return undecided('answers.redirect')
  if (answer.status !== 200) return undecided('answers.status')
  if (encodingOf(answer) !== undefined) return undecided('answers.compression')
  const members = readObject(answer.body)
  const { resultCode, resultMsg } = members ?? {}
  if (members === undefined || typeof resultCode !== 'string' || typeof resultMsg !== 'string') return undecided('answers.members')
  return { kind: 'result', result: { resultCode, resultMsg, members } }
}

const undecided = (because: string): Reading => ({ kind: 'undecided', because })

export const isRedirect = ({ status }: RawAnswer): boolean => status >= 300 && status < 400

export function encodingOf (answer: RawAnswer): string | undefined {
  const encoding = headerOf(answer, (name) => name.toLowerCase() === 'content-encoding')
  return encoding === undefined || encoding.toLowerCase() === 'identity' ? undefined : encoding
}

function readObject (body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    // HTML, nothing at all: for the marketplace all one.
    return undefined
  }
}

export interface Expectation {
  /** Any of these is right. */
  readonly codes: readonly string[]
  /** The rest of what must hold: says what is wrong, `undefined` if nothing. */
  readonly judge?: (result: Result) => string | undefined
}

/** Compares an answer's code with what it should be. */
export function expectResult (exchange: Exchange, { codes, judge }: Expectation): Observation {
  const subject = exchange.how === '' ? exchange.subject : `${exchange.subject}, ${exchange.how}`
  const reading = readReply(exchange.reply)
  if (reading.kind === 'undecided') return notReached(subject, reading.because)
  const { result } = reading
  if (!codes.includes(result.resultCode)) {
    return failure(subject, `resultCode ${result.resultCode} in place of ${codes.join(' or ')}`, detailsOf(exchange))
  }
  const complaint = judge?.(result)
  return complaint === undefined ? sound(subject) : failure(subject, complaint, detailsOf(exchange))
}

export function detailsOf ({ sent, reply }: Exchange): { sent: string, answered: string } {
  return { sent: describeSent(sent), answered: describeReply(reply) }
}

/** The call without what signs it: nothing that anybody could send again. */
export function describeSent ({ method, url, body }: Sent): string {
  const { pathname, searchParams } = new URL(url)
  const parameters = [...searchParams].filter(([name]) => !['signature', 'nonce', 'timestamp', 'authToken'].includes(name))
  const query = parameters.map(([name, value]) => `${name}=${value}`).join('&')
  const text = body?.replace(/("clientSecret":")[^"]*/, '$1…') ?? ''
  return shorten(`${method} ${pathname}${query === '' ? '' : `?${query}`} ${text}`.trim())
}

export function describeReply (reply: Reply): string {
  if (reply.kind === 'none') return `nothing: ${reply.code} after ${reply.milliseconds} ms`
  const { status, httpVersion, body } = reply.answer
  return shorten(`HTTP/${httpVersion} ${status} ${body.toString()}`.trim())
}

function shorten (text: string): string {
  return text.length <= 320 ? text : `${text.slice(0, 320)}… (${text.length} characters)`
}
