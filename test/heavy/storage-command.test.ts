import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { anySession } from '../support/any-session.ts'
import { testEnvironment } from '../support/build-gateway.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { startJointgate } from '../support/run-jointgate.ts'

t.test('jointgate storage copies, refuses what it cannot mean, and lets go again', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-storage-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const [first, second, absent] = ['first', 'second', 'absent'].map((name) => join(folder, name)) as [string, string, string]
  const env: Record<string, string> = { ...testEnvironment({ url: 'http://127.0.0.1:1', upstream: 'http://127.0.0.1:1', dataFolder: first }), JOINTGATE_STORAGE: `lmdb:${first}` }
  const keys = (env['JOINTGATE_SECRET_KEYS'] ?? '').split(',').map((key) => Buffer.from(key, 'base64'))
  const open = (path: string) => openLmdbStorage(path, new SealedBox(keys), new ManualClock())
  const session = anySession()
  const before = open(first)
  await before.sessions.create(session)
  await before.close()
  const run = (words: readonly string[], more: Record<string, string> = {}) => startJointgate(['storage', ...words], { ...env, ...more }).ended

  const missing = { JOINTGATE_STORAGE: `lmdb:${absent}` }
  const [bare, unset, same, typo, notThere] = await Promise.all([
    run([]), run(['copy', '--to-variable', 'UNSET']), run(['copy', '--to', `lmdb:${first}`]), run(['copy', '--to', 'redis://:PASSWORD@host:port']),
    run(['release'], missing),
  ])
  for (const { code, stderr } of [bare, unset]) t.match({ code, stderr }, { code: 2, stderr: /Usage: jointgate storage/ })
  t.match(same, { code: 2, stderr: /are the same/ })
  t.match(typo, { code: 78 })
  t.notOk(`${typo.stdout}${typo.stderr}`.includes('PASSWORD'), 'an address that cannot be read is not repeated')
  t.match(notThere, { code: 1, stderr: /no store in the folder/ })

  writeFileSync(join(folder, 'target'), `lmdb:${second}\n`)
  t.match(await run(['copy', '--to-file', join(folder, 'target')]), { code: 0, stdout: /they are equal:[^]*session +1/ })
  const sealed = open(first)
  await t.rejects(sealed.sessions.end(session.ref), { code: 'GW_STORAGE_MOVED' })
  await sealed.close()
  t.match(await run(['release']), { code: 0, stdout: /takes everything in again/ })
  t.match(await run(['copy', '--to', `lmdb:${second}`]), { code: 1, stderr: /holds something/ })
  const after = open(first)
  t.strictSame(await after.sessions.find(session.ref), session)
  t.equal(await after.sessions.end(session.ref), true)
  await after.close()
})
