import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { Realm } from '../../directory/model.ts'
import { openLmdbStorage } from '../../storage/lmdb/open-lmdb-storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { printLines } from '../print-lines.ts'
import { describeRealm } from './list-pushes.ts'
import { maskKey } from './mask-members.ts'
import { createRecordReader } from './record-reader.ts'
import { readAgain } from './show-push.ts'
import { exitCodes } from '../report.ts'
import type { OpenedStore } from '../with-store.ts'

/** A running gateway takes pushes while we compare; after so many tries it takes them faster than we can follow. */
const attempts = 5

interface Tally {
  next: number
  first: number | undefined
  taken: number
  passed: number
  readonly refused: number[]
  readonly unreadable: number[]
}

/** Takes every archived push in order into an empty store of its own and compares what comes out, byte for byte. */
export async function replayPushes (store: OpenedStore, into: string): Promise<number> {
  const folder = resolve(into)
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    printLines([`${folder} is not empty: a replay needs a folder of its own.`])
    return exitCodes.fault
  }
  const replayed = openLmdbStorage(folder, store.box, store.clock)
  try {
    const tally: Tally = { next: 1, first: undefined, taken: 0, passed: 0, refused: [], unreadable: [] }
    let differences = await replayAndCompare(store, replayed, tally)
    for (let attempt = 1; attempt < attempts && differences.length > 0 && await hasMore(store, tally); attempt++) {
      differences = await replayAndCompare(store, replayed, tally)
    }
    await forgetEvents(replayed)
    printLines(describe(tally, differences, folder))
    return differences.length === 0 ? exitCodes.ok : exitCodes.fault
  } finally {
    await replayed.close()
  }
}

async function hasMore ({ storage }: OpenedStore, { next }: Tally): Promise<boolean> {
  return ((await storage.pushLog.range())?.last ?? 0) >= next
}

async function replayAndCompare (store: OpenedStore, replayed: Storage, tally: Tally): Promise<Difference[]> {
  await replayRest(store, replayed, tally)
  const realms: Realm[] = ['production', 'test']
  const differences: Array<Difference | undefined> = []
  for (const realm of realms) differences.push(await findDifference(store.storage.directory, replayed.directory, realm))
  return differences.filter((difference) => difference !== undefined)
}

async function replayRest ({ config, storage: { pushLog } }: OpenedStore, { directory }: Storage, tally: Tally): Promise<void> {
  const range = await pushLog.range()
  if (range === undefined) return
  const read = createRecordReader(config)
  tally.first ??= range.first
  for (let number = Math.max(tally.next, range.first); number <= range.last; number++) {
    const push = await pushLog.find(number)
    tally.next = number + 1
    // What wasn't committed changed nothing; under newer rules it might now.
    if (push?.outcome !== 'committed') {
      tally.passed++
      continue
    }
    const message = await readAgain(() => read(push))
    if (message === undefined || typeof message === 'string') {
      tally.unreadable.push(number)
      continue
    }
    const { kind } = await directory.commit(message)
    if (kind === 'committed') tally.taken++
    else tally.refused.push(number)
  }
}

/** Nobody shall be told a second time, should a gateway ever run on the folder. */
async function forgetEvents ({ outbox }: Storage): Promise<void> {
  for (const { sequence } of await outbox.list()) await outbox.remove(sequence)
}

interface Difference { readonly realm: Realm, readonly key: readonly string[], readonly where: 'running' | 'replayed' | 'both' }

type Exporter = Pick<DirectoryStore, 'export'>

/** The first row, by key, that isn't the same line in both. */
async function findDifference (running: Exporter, replayed: Exporter, realm: Realm): Promise<Difference | undefined> {
  const [left, right] = [running.export(realm)[Symbol.asyncIterator](), replayed.export(realm)[Symbol.asyncIterator]()]
  try {
    for (;;) {
      const [ours, theirs] = [await left.next(), await right.next()]
      if (ours.done === true && theirs.done === true) return undefined
      if (ours.done !== true && theirs.done !== true && ours.value === theirs.value) continue
      return compareKeys(realm, keyOfLine(ours), keyOfLine(theirs))
    }
  } finally {
    await left.return?.()
    await right.return?.()
  }
}

function compareKeys (realm: Realm, ours: string[] | undefined, theirs: string[] | undefined): Difference {
  const [a, b] = [ours && JSON.stringify(ours), theirs && JSON.stringify(theirs)]
  if (ours !== undefined && a === b) return { realm, key: ours, where: 'both' }
  const isOurs = ours !== undefined && (theirs === undefined || Buffer.compare(Buffer.from(a!), Buffer.from(b!)) < 0)
  return isOurs ? { realm, key: ours, where: 'running' } : { realm, key: theirs ?? [], where: 'replayed' }
}

function keyOfLine (line: IteratorResult<string>): string[] | undefined {
  return line.done === true ? undefined : (JSON.parse(line.value) as { key: string[] }).key
}

const places = { running: 'only in the running store', replayed: 'only in the replayed one', both: 'with other members' } as const

function describe (tally: Tally, differences: readonly Difference[], folder: string): string[] {
  const { first, next, taken, passed, refused, unreadable } = tally
  if (first === undefined) return ['The push log is empty: there is nothing to replay.', ...differences.map(describeDifference)]
  return [
    `Replayed pushes ${first} to ${next - 1} into ${folder}: ${taken} taken, ${passed} passed over (questions and refusals).`,
    ...(refused.length > 0 ? [`Refused, since they speak of what is not there: ${refused.join(', ')}.`] : []),
    ...(unreadable.length > 0 ? [`Unreadable with the present keys: ${unreadable.join(', ')}.`] : []),
    ...(first > 1 ? [`The log begins at ${first}: what came before is missing.`] : []),
    ...(differences.length === 0 ? ['Equal: both realms are the same, byte for byte.'] : differences.map(describeDifference)),
  ]
}

function describeDifference ({ realm, key, where }: Difference): string {
  return `First difference, ${describeRealm(realm)}: ${maskKey(key, false)} (${places[where]}).`
}
