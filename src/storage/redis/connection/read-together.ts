import type { RedisClient } from './redis-connection.ts'

export type ReadCommand = readonly [command: string, key: string, ...values: string[]]
export type Reply = Buffer | null | Array<Buffer | null>

/** Reads of one slot and one moment, as one command: it finds its way also while a cluster moves the slot, and nothing comes between. */
const readScript = `
local replies, at = {}, 1
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return replies
`

/** ioredis has it for every command, but declares it for this one not. */
interface BufferEval { evalBuffer (script: string, keyCount: number, ...values: Array<string | number>): Promise<unknown> }

/** @returns a reply for each command */
export async function readTogether (reads: RedisClient, commands: readonly ReadCommand[]): Promise<Reply[]> {
  const keys = [...new Set(commands.map(([, key]) => key))]
  const args: Array<string | number> = []
  for (const command of commands) {
    args.push(command.length)
    for (const value of command) args.push(value)
  }
  return await (reads as unknown as BufferEval).evalBuffer(readScript, keys.length, ...keys, ...args) as Reply[]
}

/** Lua hands at most 8000 values to a call. */
const fieldsAtOnce = 2_000

export interface WantedFields { readonly key: string, readonly fields: readonly string[] }

export function fieldCommands (wanted: readonly WantedFields[]): ReadCommand[] {
  return wanted.flatMap(({ key, fields }) => slicesOf(fields).map((some) => ['HMGET', key, ...some] as const))
}

/** @param replies to `fieldCommands` of the same `wanted` */
export function fieldsOf (wanted: readonly WantedFields[], replies: readonly Reply[]): Map<string, Map<string, Buffer | null>> {
  const found = new Map<string, Map<string, Buffer | null>>()
  let next = 0
  for (const { key, fields } of wanted) {
    const values = slicesOf(fields).flatMap(() => replies[next++] as Array<Buffer | null>)
    const known = found.get(key) ?? new Map<string, Buffer | null>()
    for (const [index, field] of fields.entries()) known.set(field, values[index] ?? null)
    found.set(key, known)
  }
  return found
}

function slicesOf (fields: readonly string[]): string[][] {
  const count = Math.ceil(fields.length / fieldsAtOnce)
  return Array.from({ length: count }, (_, index) => fields.slice(index * fieldsAtOnce, (index + 1) * fieldsAtOnce))
}
