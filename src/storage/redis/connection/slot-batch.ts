/** What a command of Redis is given. */
export type RedisValue = string | number | Buffer

interface Guard { readonly kind: 'value' | 'score' | 'field', readonly key: string, readonly member: string, readonly expected: RedisValue }

/**
 * One script for every write. Either a guard fails, then nothing is done and its number (from 1) is the answer, or all commands are run in
 * one atomic step and the answer is 0. Redis looks for room and for its replicas before the first write of a script, so none stops in
 * the middle.
 */
export const batchScript = `
local at = 2
for guard = 1, tonumber(ARGV[1]) do
  local kind, key, member, expected = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  local found
  if kind == 'value' then found = redis.call('GET', key)
  elseif kind == 'field' then found = redis.call('HGET', key, member)
  else found = redis.call('ZSCORE', key, member) end
  if (found or '') ~= expected then return guard end
end
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return 0
`

/** Lua hands at most 8000 values to a call. */
const fieldsAtOnce = 2_000

/** Writes that become visible together, all in one slot, if the guards hold. */
export class SlotBatch {
  readonly #guards: Guard[] = []
  readonly #hashes = new Map<string, RedisValue[]>()
  readonly #commands: RedisValue[][] = []
  readonly #keys = new Set<string>()

  /** Holds while the key's text is `expected`; `''` stands for no key. @returns the guard's number */
  expect (key: string, expected: RedisValue): number {
    return this.#guard({ kind: 'value', key, member: '', expected })
  }

  /** Holds while the field of the hash is `expected`; `''` stands for no field. */
  expectField (key: string, field: string, expected: RedisValue): number {
    return this.#guard({ kind: 'field', key, member: field, expected })
  }

  /** Holds while the sorted set has no such member. */
  expectUnscored (key: string, member: string): number {
    return this.expectScore(key, member, '')
  }

  /** Holds while the member has this score, as Redis writes it. */
  expectScore (key: string, member: string, expected: string): number {
    return this.#guard({ kind: 'score', key, member, expected })
  }

  /** Sets a field of a hash. Of thousands, one command is made; they are written before what `run` adds. */
  put (key: string, field: string, value: RedisValue): void {
    const fields = this.#hashes.get(key)
    if (fields === undefined) this.#hashes.set(key, [field, value])
    else fields.push(field, value)
  }

  /** Any other command, in the order in which they are added. */
  run (command: string, key: string, ...values: RedisValue[]): void {
    this.#keys.add(key)
    this.#commands.push([command, key, ...values])
  }

  /** Tells the other gateways, as part of the same step. */
  publish (channel: string, message: string): void {
    this.#commands.push(['PUBLISH', channel, message])
  }

  get isEmpty (): boolean {
    return this.#hashes.size === 0 && this.#commands.length === 0
  }

  /** Every key, for the script's routing and the server's access rules. */
  get keys (): string[] {
    return [...new Set([...this.#guards.map(({ key }) => key), ...this.#hashes.keys(), ...this.#keys])]
  }

  get arguments (): RedisValue[] {
    const args: RedisValue[] = [this.#guards.length]
    for (const { kind, key, member, expected } of this.#guards) args.push(kind, key, member, expected)
    for (const [key, fields] of this.#hashes) {
      for (let at = 0; at < fields.length; at += 2 * fieldsAtOnce) add(args, ['HSET', key, ...fields.slice(at, at + 2 * fieldsAtOnce)])
    }
    for (const command of this.#commands) add(args, command)
    return args
  }

  #guard (guard: Guard): number {
    return this.#guards.push(guard)
  }
}

function add (args: RedisValue[], command: readonly RedisValue[]): void {
  args.push(command.length)
  for (const value of command) args.push(value)
}
