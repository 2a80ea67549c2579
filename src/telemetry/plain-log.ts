import { describeError } from './describe-error.ts'

const ranks = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: 70 } as const

export type WritePlainLog = (level: 'info' | 'warn' | 'error' | 'fatal', line: Record<string, unknown>, message: string) => void

/** Lines of the same form as `createLogOptions` makes them, for a process that has no server whose logger could write them. */
export function createPlainLog (least: keyof typeof ranks): WritePlainLog {
  return (level, { err, ...line }, message) => {
    if (ranks[level] < ranks[least]) return
    const described = err === undefined ? {} : { err: describeError(err) }
    const whole = { level, time: new Date().toISOString(), ...line, ...described, msg: message }
    process.stdout.write(`${JSON.stringify(whole)}\n`)
  }
}
