// A gateway that takes one purchase after another and tells the seller's system of none, until a test kills it.
// Arguments: folder, key (base64).
import { systemClock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { anyRecord } from '../contracts/push-log.ts'
import { createPush } from './instance-pushes.ts'

const [folder = '', key = ''] = process.argv.slice(2)
const { directory } = openLmdbStorage(folder, new SealedBox([Buffer.from(key, 'base64')]), systemClock)
for (let at = 1; ; at++) {
  await directory.commit(createPush(`purchase-${at}`, at), { signatureDigest: `purchase ${at}`, expiresAt: 9, answer: `answer ${at}`, record: anyRecord() })
  process.stdout.write(`${at}\n`)
}
