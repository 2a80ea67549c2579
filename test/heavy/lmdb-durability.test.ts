import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { InstanceId, UserName } from '../../src/directory/model.ts'
import { PreparedBatch } from '../../src/storage/lmdb/prepared-batch.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { anyRecord } from '../contracts/push-log.ts'
import { anySession } from '../support/any-session.ts'
import { accountsPush, appId, applicationPush, departmentsPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'
import { createPush, releasePush } from '../support/instance-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'

const key = Buffer.alloc(32, 1)

function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-lmdb-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

function openIn (t: Test, folder: string, clock: Clock = new ManualClock()): Storage {
  const storage = openLmdbStorage(folder, new SealedBox([key]), clock)
  t.teardown(() => storage.close())
  return storage
}

function start (t: Test, script: URL, folder: string) {
  const path = fileURLToPath(script)
  const child = spawn(process.execPath, [...process.execArgv, path, folder, key.toString('base64')], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

t.test('kill -9 between a commit and its delivery: no event, receipt, answer or record is lost, and none is there without the others', async (t) => {
  const folder = newFolder(t)
  const child = start(t, new URL('../support/lmdb-purchases-child.ts', import.meta.url), folder)
  let told = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    told = Number(line)
    if (told === 25) child.kill('SIGKILL')
  })
  t.match(await once(child, 'close'), [null, 'SIGKILL'])

  const { directory, outbox, pushLog } = openIn(t, folder)
  const taken = (await outbox.list()).length
  t.ok(taken >= told, `${told} acknowledged, ${taken} there`)
  const numbers = Array.from({ length: taken }, (_, index) => index + 1)
  t.strictSame((await outbox.list()).map(({ sequence, event }) => [sequence, event.instanceId]), numbers.map((at) => [at, `purchase-${at}`]))
  t.same((await pushLog.list(0, 10_000)).map(({ number }) => number), numbers)
  const names = [...numbers, taken + 1].map((at) => `purchase-${at}` as InstanceId)
  t.same((await directory.findInstances('production', names)).map(({ instanceId }) => instanceId), names.slice(0, -1))
  const repeat = await directory.commit(createPush('purchase-1', 1), { signatureDigest: `purchase ${taken}`, expiresAt: 9 })
  t.strictSame(repeat, { kind: 'repeated', answer: `answer ${taken}` })
})

t.test('T-49: a kept answer is given to nobody before the commit that it stands for would survive a power cut', async (t) => {
  const { directory } = openIn(t, newFolder(t))
  // So much that the disk needs a moment.
  const record = { ...anyRecord(), content: Buffer.alloc(2_000_000) }
  const early: string[] = []
  for (const name of Array.from({ length: 10 }, (_, index) => `purchase-${index}`)) {
    let isDurable = false
    const commit = directory.commit(createPush(name, 1), { signatureDigest: name, expiresAt: 9, answer: 'done', record }).then(() => { isDurable = true })
    while (await directory.findAnswer(name) === undefined) await setImmediate()
    await setImmediate()
    if (!isDurable) early.push(name)
    await commit
  }
  t.same(early, [])
})

t.test('an erasure owes its receipt also after a restart, and no receipt takes the place of another', async (t) => {
  const folder = newFolder(t)
  const leave = async ({ directory, erasures }: Storage, at: number) => {
    await directory.commit(tenantPush(at, { change: 'delete' }))
    for (const planned of await erasures.listDue(versionAt(99), 9)) await erasures.erase(planned)
  }
  const before = openIn(t, folder)
  await leave(before, 1)
  await leave(before, 2)
  await before.erasures.keepReceipt({ erasedAt: 1, token: 'first' }, 1)
  await before.close()

  const after = openIn(t, folder)
  t.match(await after.erasures.listUnsigned(), [{ number: 2, summary: { tenants: 1, version: versionAt(2) } }])
  await after.erasures.keepReceipt({ erasedAt: 0, token: 'second' }, 2)
  await leave(after, 3)
  t.match((await after.erasures.listUnsigned()).map(({ number }) => number), [3])
  t.match(await after.erasures.listReceipts(), [{ token: 'first' }, { token: 'second' }])
})

t.test('numbers of the outbox and the push log go on after a restart, also when all of them are gone', async (t) => {
  const folder = newFolder(t)
  const before = openIn(t, folder)
  const take = ({ directory }: Storage, name: string) =>
    directory.commit(createPush(name, 1), { signatureDigest: name, expiresAt: 9, record: anyRecord() })
  await take(before, 'one')
  await take(before, 'two')
  for (const { sequence } of await before.outbox.list()) await before.outbox.remove(sequence)
  await before.pushLog.sweep(Infinity, 0)
  const revision = await before.directory.revisionOf('production', tenantId)
  await before.close()

  const after = openIn(t, folder)
  await take(after, 'three')
  t.match(await after.outbox.list(), [{ sequence: 3, event: { instanceId: 'three' } }])
  t.same(await after.pushLog.range(), { first: 3, last: 3 })
  t.equal(await after.directory.revisionOf('production', tenantId), revision)
  t.equal(await after.pushLog.sweep(0, anyRecord().content.length), 0, 'the size of the log too')
  t.equal(await after.pushLog.sweep(0, anyRecord().content.length - 1), 1)
})

t.test('a change of our own is archived at the clock\'s time', async (t) => {
  const { directory, pushLog } = openIn(t, newFolder(t), new ManualClock(77))
  await directory.commit(tenantPush(1))
  t.match(await pushLog.list(0, 9), [{ receivedAt: 77, interface: 'gateway', tenantId, content: Buffer.from(JSON.stringify(tenantPush(1))) }])
})

t.test('a push of 5000 accounts is prepared with everybody else\'s turns in between, and what others commit meanwhile comes after it', async (t) => {
  const { directory } = openIn(t, newFolder(t))
  await directory.commit(tenantPush(1))
  const accounts = Array.from({ length: 5_000 }, (_, index) => ({ userName: `user-${index}` as UserName, name: 'N', details: { mobile: '13800000000' } }))
  const seen: number[] = []
  const work = { isUnderWay: true }
  const read = async (): Promise<void> => {
    while (work.isUnderWay) {
      await setImmediate()
      seen.push((await directory.viewAccess('production', tenantId, appId, 'user-4999' as UserName)).accounts.length)
    }
  }
  const write: (this: PreparedBatch) => void = Reflect.get(PreparedBatch.prototype, 'write')
  let readsBefore = 0
  t.capture(PreparedBatch.prototype, 'write', function (this: PreparedBatch) {
    if (this.size > 5_000) readsBefore = seen.length
    write.call(this)
  })
  const reading = read()
  const large = directory.commit(accountsPush(1, { accounts }))
  const small = directory.commit(accountsPush(2, { change: 'modify', accounts: [{ userName: 'user-4999' as UserName, details: { email: 'e' } }] }))
  t.match([await large, await small], [{ kind: 'committed' }, { kind: 'committed' }])
  work.isUnderWay = false
  await reading
  t.ok(readsBefore >= 40, `${readsBefore} reads went through before the batch`)
  t.same([...new Set(seen)], [0, 1], 'they see nothing of it until it is whole')
  const { accounts: [last] } = await directory.viewAccess('production', tenantId, appId, 'user-4999' as UserName)
  t.match(last, { name: 'N', details: { mobile: '13800000000', email: 'e' }, version: versionAt(2) })
})

t.test('two processes on one folder: nothing is lost or counted twice, a large push gets its turn, and one that is killed holds up nobody', async (t) => {
  const folder = newFolder(t)
  const mine = openIn(t, folder, systemClock)
  await mine.directory.commit(tenantPush(1))
  const child = start(t, new URL('../support/lmdb-purchases-child.ts', import.meta.url), folder)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const told = async (): Promise<number> => Number((await lines.next()).value)
  await told()
  for (let at = 1; at <= 20; at++) {
    await mine.directory.commit(createPush(`mine-${at}`, at), { signatureDigest: `mine ${at}`, expiresAt: 9, record: anyRecord() })
    const theirs = await told()
    const found = await mine.directory.findInstances('production', [`purchase-${theirs}` as InstanceId])
    t.equal(found.length, 1, 'what the other has acknowledged is seen at once')
    t.match(await mine.directory.commit(createPush(`purchase-${theirs}`, theirs), { signatureDigest: `purchase ${theirs}`, expiresAt: 9 }), { kind: 'repeated' })
  }
  const accounts = Array.from({ length: 5_000 }, (_, index) => ({ userName: `user-${index}` as UserName, name: 'N', details: {} }))
  t.match(await mine.directory.commit(accountsPush(1, { accounts })), { kind: 'committed' })
  child.kill('SIGKILL')
  await once(child, 'close')
  t.match(await mine.directory.commit(createPush('last', 1)), { kind: 'committed' })

  const events = await mine.outbox.list()
  t.same(events.map(({ sequence }) => sequence), events.map((_, index) => index + 1), 'no number twice')
  t.equal(new Set(events.map(({ event }) => event.instanceId)).size, events.length)
  const purchases = events.filter(({ event }) => event.instanceId.startsWith('purchase-')).length
  t.equal(events.length, purchases + 21)
  t.same(await mine.pushLog.range(), { first: 1, last: events.length + 2 }, 'each push and the two lists')
  t.equal(await mine.directory.revisionOf('production', tenantId), 2)
})

t.test('what several gateways count and hold at the same time in one folder is counted and held once', async (t) => {
  const folder = newFolder(t)
  const stores = Array.from({ length: 3 }, () => openIn(t, folder, systemClock))
  const all = <Result>(work: (store: Storage, at: number) => Promise<Result>) =>
    Promise.all(stores.flatMap((store) => Array.from({ length: 30 }, (_, at) => work(store, at))))
  await all(({ keyUsage }) => keyUsage.use('kit', 'fingerprint', 1))
  t.match(await stores[0]?.keyUsage.list(), [{ uses: 90 }])
  const counts = await all(({ rateLimits }) => rateLimits.count('somebody', 0, 60_000))
  t.same(counts.sort((a, b) => a - b), counts.map((_, index) => index + 1))
  const taken = await all(({ leases }, at) => leases.acquire('tidy', `${stores.length} ${at} ${Math.random()}`, 0, 60_000))
  t.equal(taken.filter(Boolean).length, 1)
})

t.test('a session that another process has ended is gone at the very next look, also within the same turn of the event loop', async (t) => {
  const folder = newFolder(t)
  const { sessions } = openIn(t, folder, systemClock)
  const session = anySession()
  await sessions.create(session)
  t.match(await sessions.find(session.ref), { ref: session.ref })
  const script = fileURLToPath(new URL('../support/lmdb-end-session-child.ts', import.meta.url))
  execFileSync(process.execPath, [...process.execArgv, script, folder, key.toString('base64'), session.ref])
  t.equal(await sessions.find(session.ref), undefined)
})

t.test('a write that cannot be stored is refused before anything of its batch is handed over', async (t) => {
  const { directory, pushLog, outbox } = openIn(t, newFolder(t))
  const endless = 'x'.repeat(5_000)
  const departments = [{ code: 'a', name: 'A' }, { code: endless, name: 'B' }]
  await t.rejects(directory.commit(departmentsPush(1, { departments }), { signatureDigest: 'a', expiresAt: 9, record: anyRecord() }), { code: 'GW_STORAGE_UNAVAILABLE' })
  await t.rejects(directory.commit(createPush('one', 1), { signatureDigest: endless, expiresAt: 9 }), { code: 'GW_STORAGE_UNAVAILABLE' })
  // The next commit is on disk, so anything handed over before it would be seen.
  await directory.commit(tenantPush(1), { signatureDigest: 'b', expiresAt: 9 })
  t.same(await directory.listDepartments('production', tenantId, 'instance-1' as InstanceId), [])
  t.same(await directory.findInstances('production', ['one' as InstanceId]), [])
  t.same(await pushLog.range(), undefined)
  t.same(await outbox.list(), [])
  t.throws(() => { new PreparedBatch().remove({} as never, endless) }, /cannot be stored/)
})

t.test('a command reads beside a running gateway and makes nothing', async (t) => {
  const folder = newFolder(t)
  const { directory, pushLog, keyUsage } = openIn(t, folder)
  await directory.commit(tenantPush(1))
  await directory.commit(applicationPush(1))
  await keyUsage.see('kit', ['a'], 5)
  const reader = start(t, new URL('../support/lmdb-reader-child.ts', import.meta.url), folder)
  const answers = createInterface({ input: reader.stdout })[Symbol.asyncIterator]()
  interface Told { lines: string[], contents: string[], keys: object[], waiting: number, due: number }
  const next = async () => JSON.parse(String((await answers.next()).value)) as Told
  const linesNow = async () => {
    const lines: string[] = []
    for await (const line of directory.export('production')) lines.push(line)
    return lines
  }

  const first = await next()
  t.strictSame(first.lines, await linesNow())
  t.match(first.lines[0], /"clientSecret":"client-secret-1"/)
  t.match(first.keys, [{ fingerprint: 'a', firstSeenAt: 5 }])
  for (const push of [createPush('one', 1), releasePush('one', 2), accountsPush(1)]) await directory.commit(push)
  await pushLog.append(anyRecord({ content: Buffer.from('later') }))
  reader.stdin.write('again\n')
  const second = await next()
  t.strictSame(second.lines, await linesNow())
  t.match(second, { waiting: 2, due: 1, contents: { length: 6 } })
  t.equal(second.contents.at(-1), '6 later')
  reader.stdin.write('end\n')
  t.same(await once(reader, 'close'), [0, null])
  t.match(await directory.commit(accountsPush(2)), { kind: 'committed' }, 'the gateway goes on')
})

t.test('a reader makes no store and no folder, and writes nothing', async (t) => {
  const folder = newFolder(t)
  const openReader = (path: string) => openLmdbStorage(path, new SealedBox([key]), new ManualClock(), { readOnly: true })
  t.throws(() => openReader(join(folder, 'none')), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.notOk(existsSync(join(folder, 'none')))
  t.throws(() => openReader(folder), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.same(readdirSync(folder), [])

  const writer = openLmdbStorage(join(folder, 'store'), new SealedBox([key]), new ManualClock())
  await writer.directory.commit(accountsPush(1))
  await writer.close()
  const reader = openReader(join(folder, 'store'))
  t.teardown(() => reader.close())
  t.match((await reader.directory.viewAccess('production', tenantId, appId, userName)).accounts, [{ userName }])
  const { directory, outbox, pushLog, sessions } = reader as Storage
  const refused = { code: 'GW_STORAGE_UNAVAILABLE' }
  await t.rejects(directory.commit(tenantPush(1)), refused)
  await t.rejects(directory.keepAnswer('a', 1, 'b'), refused)
  await t.rejects(outbox.remove(1), refused)
  await t.rejects(pushLog.sweep(Infinity, 0), refused)
  await t.rejects(sessions.end('x' as never).then((ended) => { if (!ended) throw Object.assign(new Error('no session'), refused) }), refused)
})
