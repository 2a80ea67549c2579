import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../base/coded-errors.ts'
import type { StorageSettings } from '../storage/open-storage.ts'
import { openRedisConnection } from '../storage/redis/connection/open-redis-connection.ts'

export interface StorageVerdict {
  /** For a person; without user and password. */
  readonly lines: readonly string[]
  /** Whether a gateway would not start on it, or could write nothing. */
  readonly isFault: boolean
}

/** Longer than the eight seconds in which a gateway must have reached Redis when it starts. */
const redisTimeoutMs = 9_500

/** Asks the store what a gateway would ask at its start, and writes nothing. */
export async function checkStorage (settings: StorageSettings, dangerouslyAllowLoss: boolean): Promise<StorageVerdict> {
  if (settings.kind === 'redis') return await checkRedis(settings, dangerouslyAllowLoss)
  const fault = findFolderFault(settings.directory)
  return fault === undefined ? { lines: [], isFault: false } : { lines: [`Storage: ${fault}`], isFault: true }
}

async function checkRedis ({ redis }: StorageSettings & { kind: 'redis' }, dangerouslyAllowLoss: boolean): Promise<StorageVerdict> {
  const told: string[] = []
  let timer: NodeJS.Timeout | undefined
  // A server may be reached and then answer nothing more: each of the questions after that has a limit of its own.
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new LateError()) }, redisTimeoutMs)
  })
  const opening = openRedisConnection(redis, { dangerouslyAllowLoss, onEvent: (_level, _event, text) => { told.push(text) } })
  try {
    const opened = await Promise.race([opening, late])
    if (opened.kind === 'unsafe') {
      const findings = opened.findings.map(({ text }) => text)
      return { lines: listed('Storage: Redis answers, but could lose what was acknowledged:', findings), isFault: true }
    }
    await Promise.race([opened.connection.close(), late])
    if (told.length === 0) return { lines: ['Storage: Redis answers, and what is acknowledged is safe there.'], isFault: false }
    return { lines: listed('Storage: Redis answers; a gateway would start, and warn:', told), isFault: false }
  } catch (error) {
    if (error instanceof LateError) {
      void opening.then((opened) => opened.kind === 'open' ? opened.connection.close() : undefined, () => undefined)
      return { lines: ['Storage: Redis did not answer in time'], isFault: true }
    }
    if (!(error instanceof Error) || codeOf(error) !== 'GW_STORAGE_UNAVAILABLE') throw error
    return { lines: [`Storage: Redis cannot be used: ${error.cause instanceof Error ? error.cause.message : error.message}`], isFault: true }
  } finally {
    clearTimeout(timer)
  }
}

class LateError extends Error {}

function listed (head: string, texts: readonly string[]): string[] {
  return [head, ...texts.map((text) => `  - ${text}`)]
}

/** Looks without making anything: the data folder itself, or the folder in which it would be made. */
function findFolderFault (directory: string): string | undefined {
  try {
    if (!statSync(directory).isDirectory()) return `${directory} is no folder`
    accessSync(directory, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isAbsent && dirname(directory) !== directory ? findFolderFault(dirname(directory)) : `${directory} cannot be written to`
  }
}
