import { sha256 } from '../../base/digest.ts'
import { canonicalLine } from '../canonical-lines.ts'
import type { CopyEnd } from './copy-end.ts'
import { mayBeLeft, type StoredThing, type ThingChange, type ThingKey, type ThingKind } from './stored-thing.ts'

export interface PassReport {
  readonly written: number
  readonly removed: number
  /** How much the source holds. */
  readonly things: number
  /** Sessions of which a gateway was just asking for new tokens. */
  readonly renewalsUnderWay: number
}

export interface Verification {
  readonly isEqual: boolean
  /** Of the source, by kind. */
  readonly counts: Readonly<Partial<Record<ThingKind, number>>>
  /** Kinds of which something is missing, differs or is too much in the target. */
  readonly differing: readonly ThingKind[]
}

export interface Difference {
  /** Writes to the target what it lacks, and removes what the source doesn't have. */
  pass (source: CopyEnd, now: number): Promise<PassReport>
  /** Reads the target again and compares it with the source as the last pass has seen it. */
  verify (): Promise<Verification>
}

/** Written in one go. */
const thingsAtOnce = 200
const bytesAtOnce = 16_777_216

/** Knows of each thing in the target a digest, some 100 bytes in memory. */
export async function createDifference (target: CopyEnd): Promise<Difference> {
  const known = new Map<string, { digest: string, pass: number }>()
  for await (const thing of target.dump()) known.set(nameOf(thing), { digest: digestOf(thing), pass: 0 })
  let passes = 0

  /** What has to be written so that the target has the thing too. */
  const differs = (thing: StoredThing): boolean => {
    const [name, digest] = [nameOf(thing), digestOf(thing)]
    const isSame = known.get(name)?.digest === digest
    known.set(name, { digest, pass: passes })
    return !isSame
  }

  const findExtra = (): ThingChange[] => [...known]
    .filter(([, { pass }]) => pass !== passes)
    .map(([name]) => thingOf(name))
    .filter(({ kind }) => !mayBeLeft(kind))

  return {
    async pass (source, now) {
      passes++
      const writer = createWriter(target)
      let [things, renewalsUnderWay] = [0, 0]
      for await (const thing of source.dump()) {
        things++
        if (thing.kind === 'session' && (thing.value.renewalAttempts?.underWay?.until ?? 0) > now) renewalsUnderWay++
        if (differs(thing)) await writer.add(thing)
      }
      const written = writer.count()
      for (const extra of findExtra()) {
        await writer.add(extra)
        known.delete(nameOf(extra))
      }
      await writer.flush()
      return { written, removed: writer.count() - written, things, renewalsUnderWay }
    },

    async verify () {
      const left = new Map([...known].filter(([, { pass }]) => pass === passes))
      const counts: Partial<Record<ThingKind, number>> = {}
      for (const name of left.keys()) counts[thingOf(name).kind] = (counts[thingOf(name).kind] ?? 0) + 1
      const differing = new Set<ThingKind>()
      for await (const thing of target.dump()) {
        const expected = left.get(nameOf(thing))
        left.delete(nameOf(thing))
        if (expected === undefined ? !mayBeLeft(thing.kind) : expected.digest !== digestOf(thing)) differing.add(thing.kind)
      }
      for (const name of left.keys()) differing.add(thingOf(name).kind)
      return { isEqual: differing.size === 0, counts, differing: [...differing] }
    },
  }
}

function createWriter (target: CopyEnd) {
  let some: ThingChange[] = []
  let [bytes, count] = [0, 0]
  const flush = async (): Promise<void> => {
    if (some.length > 0) await target.write(some)
    some = []
    bytes = 0
  }
  return {
    async add (change: ThingChange): Promise<void> {
      some.push(change)
      count++
      if (change.kind === 'push') bytes += change.value?.content.length ?? 0
      if (some.length >= thingsAtOnce || bytes >= bytesAtOnce) await flush()
    },
    flush,
    count: () => count,
  }
}

function nameOf ({ kind, key }: { readonly kind: ThingKind, readonly key: ThingKey }): string {
  return JSON.stringify([kind, ...key])
}

function thingOf (name: string): ThingChange {
  const [kind, ...key] = JSON.parse(name) as [ThingKind, ...string[]]
  return { kind, key, value: undefined }
}

function digestOf (thing: StoredThing): string {
  const value = thing.kind === 'push' ? { ...thing.value, content: sha256(thing.value.content) } : thing.value
  return sha256(canonicalLine(thing.key, value))
}
