import * as lmdb from 'lmdb'
import type { Database, Key, RootDatabase } from 'lmdb'

/** Exported by lmdb 3.5.6, but missing in its types. */
const { keyValueToBuffer } = lmdb as unknown as { keyValueToBuffer: (key: Key) => Buffer }
/** Of lmdb with pages of 4 KiB. */
const maximumKeyBytes = 1978

type AnyTable = Database<unknown, Key>

interface PreparedWrite {
  readonly table: AnyTable
  readonly key: Buffer
  /** A removal if absent. */
  readonly value: unknown
}

/**
 * Writes that are encoded one by one, whenever there is time, and handed to LMDB in one short synchronous call: one transaction. A key
 * or value that can't be stored throws while it is prepared; inside of LMDB's batch it would leave the writes before it committed.
 */
export class PreparedBatch {
  readonly #writes: PreparedWrite[] = []

  get size (): number {
    return this.#writes.length
  }

  put<Value, TableKey extends Key> (table: Database<Value, TableKey>, key: TableKey, value: Value): void {
    const { encoder } = table as { encoder?: { encode (value: Value): Buffer } }
    const bytes = encoder === undefined ? value as Buffer : encoder.encode(value)
    this.#writes.push({ table, key: encodeKey(key), value: lmdb.asBinary(bytes) })
  }

  remove<Value, TableKey extends Key> (table: Database<Value, TableKey>, key: TableKey): void {
    this.#writes.push({ table, key: encodeKey(key), value: undefined })
  }

  /**
   * LMDB works on a thread of its own: a crash leaves all or nothing. (Its asynchronous transactions with a callback never came back
   * on Node 20 with lmdb 3.5.6.)
   */
  async hand (environment: RootDatabase): Promise<void> {
    await environment.batch(() => { this.write() })
  }

  /** To be called inside of a batch of LMDB's, whose outcome is that of each write. */
  write (): void {
    for (const { table, key, value } of this.#writes) void (value === undefined ? table.remove(key) : table.put(key, value))
  }
}

function encodeKey (key: Key): Buffer {
  const bytes = keyValueToBuffer(key)
  if (bytes.length > maximumKeyBytes) throw new Error(`a key of ${bytes.length} bytes cannot be stored`)
  return bytes
}
