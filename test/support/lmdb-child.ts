// A gateway's storage in a process of its own, which a test kills in the middle of its work. Arguments: folder, key (base64).
import { systemClock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { UserName } from '../../src/directory/model.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { anyFlow } from '../contracts/login-flow-store.ts'
import { anySigningKey } from '../contracts/signing-key-store.ts'
import { anySession } from './any-session.ts'
import { accountsPush, applicationPush, tenantPush } from './directory-pushes.ts'

const [folder = '', key = ''] = process.argv.slice(2)
const storage = openLmdbStorage(folder, new SealedBox([Buffer.from(key, 'base64')]), systemClock)
const tell = (line: string): void => { process.stdout.write(`${line}\n`) }

const session = anySession()
await storage.directory.commit(tenantPush(1), { signatureDigest: 'tenant', expiresAt: 9 })
await storage.directory.commit(applicationPush(1), { signatureDigest: 'application', expiresAt: 9 })
await storage.sessions.create(session)
await storage.flows.saveFlow(anyFlow('spent'))
await storage.flows.consumeFlow(anyFlow('spent').ref)
await storage.flows.claimCode('code', 9)
await storage.signingKeys.save(anySigningKey('key'))
await storage.directory.commit(accountsPush(1), { signatureDigest: 'push 1', expiresAt: 9 })
tell(session.ref)

// Without end: the parent ends this by SIGKILL, so nothing is closed or flushed on the way out.
const userNames = Array.from({ length: 300 }, (_, index) => `user-${index}` as UserName)
for (let at = 2; ; at++) {
  const accounts = userNames.map((userName) => ({ userName, name: `at ${at}`, details: {} }))
  await storage.directory.commit(accountsPush(at, { accounts }), { signatureDigest: `push ${at}`, expiresAt: 9 })
  tell(String(at))
}
