import { codeOf } from '../../../base/coded-errors.ts'

/** An error of Redis or of the way to it, in words that hold no argument of a command: those are keys, sealed values or a password. */
export function describeRedisError (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  if (/enableOfflineQueue|max retries per request/.test(error.message)) return 'Redis is not connected'
  const message = error.message.replace(/, with args beginning with: .*$/s, '')
  return message === '' ? codeOf(error) ?? error.name : message
}

/** The same as an error. ioredis hangs the whole command on its errors, AUTH with its password too. */
export function withoutCommand (error: unknown): Error {
  if (!(error instanceof Error)) return new Error('unknown error')
  const clean = new Error(describeRedisError(error))
  clean.name = error.name
  return clean
}
