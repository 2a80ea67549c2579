// A command beside a running gateway: says what it reads, again after each line that it is told. Arguments: folder, key (base64).
import { createInterface } from 'node:readline'
import { systemClock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'

const [folder = '', key = ''] = process.argv.slice(2)
const storage = openLmdbStorage(folder, new SealedBox([Buffer.from(key, 'base64')]), systemClock, { readOnly: true })
const { directory, pushLog, keyUsage, outbox, erasures } = storage

async function tell (): Promise<void> {
  const lines: string[] = []
  for await (const line of directory.export('production')) lines.push(line)
  const contents = (await pushLog.list(0, 100)).map(({ number, content }) => `${number} ${content.toString()}`)
  const told = { lines, contents, keys: await keyUsage.list(), waiting: (await outbox.list()).length, due: (await erasures.listDue('9' as never, 9)).length }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}

await tell()
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break
  await tell()
}
await storage.close()
process.exit()
