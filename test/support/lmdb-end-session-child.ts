// Another process on the folder ends a session and is gone. Arguments: folder, key (base64), session.
import { systemClock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'

const [folder = '', key = '', ref = ''] = process.argv.slice(2)
const storage = openLmdbStorage(folder, new SealedBox([Buffer.from(key, 'base64')]), systemClock)
await storage.sessions.end(ref as SessionRef)
await storage.close()
