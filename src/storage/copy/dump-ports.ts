import type { PushVersion } from '../../directory/model.ts'
import { placeOfSigningKey } from '../signing-key-chain.ts'
import type { Storage } from '../storage.ts'
import { planKey, type StoredThing } from './stored-thing.ts'

const realms = ['production', 'test'] as const
/** Sorts behind every version. */
const afterAll = '~' as PushVersion
const all = 1_000_000_000
/** Each may have 16 MiB. */
const recordsAtOnce = 8

type DumpedPorts = Pick<Storage, 'directory' | 'sessions' | 'pushLog' | 'outbox' | 'erasures' | 'keyUsage' | 'signingKeys'>

/** What the ports themselves can list. */
export async function * dumpPorts (storage: DumpedPorts): AsyncGenerator<StoredThing> {
  for (const realm of realms) {
    for await (const line of storage.directory.export(realm)) {
      const { key, row } = JSON.parse(line) as { key: string[], row: unknown }
      yield { kind: 'row', key, value: row }
    }
  }
  for await (const session of storage.sessions.list({ kind: 'all' })) yield { kind: 'session', key: [session.ref], value: session }
  yield * dumpPushes(storage)
  for (const { sequence, ...value } of await storage.outbox.list()) yield { kind: 'event', key: [String(sequence)], value }
  for (const planned of await storage.erasures.listDue(afterAll, all)) {
    yield { kind: 'plan', key: planKey(planned), value: planned }
  }
  for (const { number, summary } of await storage.erasures.listUnsigned()) yield { kind: 'unsigned', key: [String(number)], value: summary }
  for (const { kind, fingerprint, ...value } of await storage.keyUsage.list()) yield { kind: 'key-usage', key: [kind, fingerprint], value }
  for (const value of await storage.signingKeys.list()) yield { kind: 'signing-key', key: [placeOfSigningKey(value)], value }
}

async function * dumpPushes ({ pushLog }: DumpedPorts): AsyncGenerator<StoredThing> {
  for (let from = 0; ;) {
    const some = await pushLog.list(from, recordsAtOnce)
    for (const { number, ...value } of some) yield { kind: 'push', key: [String(number)], value }
    const last = some.at(-1)
    if (last === undefined) return
    from = last.number + 1
  }
}
