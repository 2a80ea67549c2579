import type { FastifyBaseLogger } from 'fastify'

export type LogLevel = 'info' | 'warn' | 'error'
export type WriteLog = (level: LogLevel, line: Record<string, unknown>, message: string) => void

export interface EarlyLog {
  readonly write: WriteLog
  /** What was written until now goes to the logger, and so does all that follows. */
  attach (logger: FastifyBaseLogger): void
}

/** For what has something to tell before the listener is there whose logger takes it. */
export function createEarlyLog (): EarlyLog {
  const waiting: Array<Parameters<WriteLog>> = []
  let logger: FastifyBaseLogger | undefined
  return {
    write (level, line, message) {
      if (logger === undefined) waiting.push([level, line, message])
      else logger[level](line, message)
    },
    attach (next) {
      logger = next
      for (const [level, line, message] of waiting.splice(0)) next[level](line, message)
    },
  }
}
