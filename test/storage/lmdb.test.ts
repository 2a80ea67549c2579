import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { syncBuiltinESMExports } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { open, type Key, type RootDatabase } from 'lmdb'
import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import type { InstanceChange } from '../../src/directory/push-message.ts'
import type { FlowRef } from '../../src/session/login-flow.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { testDirectoryStore } from '../contracts/directory-store.ts'
import { testErasureStore } from '../contracts/erasure-store.ts'
import { testKeyUsageStore } from '../contracts/key-usage-store.ts'
import { anyConfirmation, anyFlow, testLoginFlowStore } from '../contracts/login-flow-store.ts'
import { testLeaseStore } from '../contracts/lease-store.ts'
import { testOutbox } from '../contracts/outbox.ts'
import { anyRecord, testPushLog } from '../contracts/push-log.ts'
import { testRateLimitStore } from '../contracts/rate-limit-store.ts'
import { refsOf, testSessionStore } from '../contracts/session-store.ts'
import { anySigningKey, testSigningKeyStore } from '../contracts/signing-key-store.ts'
import { anySession } from '../support/any-session.ts'
import { createPush, instancePush } from '../support/instance-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { accountsPush, appId, applicationPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'

const keyOf = (byte: number): Buffer => Buffer.alloc(32, byte)
const receipt = (signatureDigest: string) => ({ signatureDigest, expiresAt: 9 })

function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-lmdb-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

function openIn (t: Test, folder: string, ...keys: Buffer[]): Storage {
  const storage = openLmdbStorage(folder, new SealedBox(keys.length === 0 ? [keyOf(1)] : keys), new ManualClock())
  t.teardown(() => storage.close())
  return storage
}

const openNew = async (t: Test): Promise<Storage> => openIn(t, newFolder(t))

t.test('LMDB as DirectoryStore', async (t) => { testDirectoryStore(t, async (t) => (await openNew(t)).directory) })
t.test('LMDB as Outbox', async (t) => { testOutbox(t, openNew) })
t.test('LMDB as PushLog', async (t) => { testPushLog(t, openNew) })
t.test('LMDB as ErasureStore', async (t) => { testErasureStore(t, openNew) })
t.test('LMDB as KeyUsageStore', async (t) => { testKeyUsageStore(t, async (t) => (await openNew(t)).keyUsage) })
t.test('LMDB as SessionStore', async (t) => { testSessionStore(t, async (t) => (await openNew(t)).sessions) })
t.test('LMDB as LoginFlowStore', async (t) => { testLoginFlowStore(t, async (t) => (await openNew(t)).flows) })
t.test('LMDB as LeaseStore', async (t) => { testLeaseStore(t, async (t) => (await openNew(t)).leases) })
t.test('LMDB as RateLimitStore', async (t) => { testRateLimitStore(t, async (t) => (await openNew(t)).rateLimits) })
t.test('LMDB as SigningKeyStore', async (t) => { testSigningKeyStore(t, async (t) => (await openNew(t)).signingKeys) })

/** One of everything that is sealed. */
const session = anySession({
  ref: 'session-1' as SessionRef, userName: 'CANARY-SESSION-USER' as UserName, tokens: { accessToken: 'CANARY-ACCESS', refreshToken: 'CANARY-REFRESH', expiresAt: 5 },
})
const flow = { ...anyFlow('flow'), returnTo: '/CANARY-RETURN' }
const confirmation = { ...anyConfirmation('confirmation'), clientId: 'CANARY-CONFIRMATION' }
const signingKey = { ...anySigningKey('kid-1'), jwk: new Secret('{"d":"CANARY-PRIVATE"}') }

const purchase = 'purchase-1' as InstanceId
const creation = { ...createPush(purchase, 0).change, buyer: { mobilePhone: 'CANARY-BUYER' } } as InstanceChange

async function saveOneOfEach ({ directory, sessions, flows, signingKeys }: Storage): Promise<void> {
  await directory.commit(tenantPush(1), receipt('tenant'))
  await directory.commit(applicationPush(1, { clientSecret: new Secret('CANARY-CLIENT-SECRET') }), receipt('application'))
  await directory.commit(accountsPush(1), receipt('accounts'))
  await directory.commit(instancePush(purchase, 0, creation), { ...receipt('purchase'), answer: 'CANARY-ANSWER', record: anyRecord({ content: Buffer.from('CANARY-CONTENT') }) })
  await directory.commit(instancePush(purchase, 1, { kind: 'provision', report: { kind: 'ready', memo: 'CANARY-MEMO' } }), receipt('report'))
  await sessions.create(session)
  await flows.saveFlow(flow)
  await flows.saveConfirmation(confirmation)
  await signingKeys.save(signingKey)
}

const textOf = (content: Buffer | undefined): string | undefined => content?.toString()

/** Every read that opens a seal, by name. */
const sealedReads = ({ directory, sessions, flows, signingKeys, pushLog }: Storage): Record<string, () => Promise<unknown>> => ({
  session: () => sessions.find(session.ref),
  flow: () => flows.findFlow(flow.ref),
  'flow consumed': () => flows.consumeFlow(flow.ref),
  confirmation: () => flows.findConfirmation(confirmation.ref),
  'confirmation consumed': () => flows.consumeConfirmation(confirmation.ref),
  'client secret': async () => (await directory.viewTenant('production', tenantId, appId)).bindings[0]?.clientSecret?.reveal(),
  'client secret for access': async () => (await directory.viewAccess('production', tenantId, appId, userName)).bindings[0]?.clientSecret?.reveal(),
  'signing key': async () => (await signingKeys.list())[0]?.jwk.reveal(),
  buyer: async () => (await directory.findInstances('production', [purchase]))[0]?.buyer?.mobilePhone,
  memo: async () => (await directory.findInstanceOfOrder('production', { orderId: `order of ${purchase}`, orderLineId: '' }))?.access.memo,
  answer: () => directory.findAnswer('purchase'),
  'answer to a repeat': async () => {
    const outcome = await directory.commit(tenantPush(1), receipt('purchase'))
    return outcome.kind === 'repeated' && outcome.answer
  },
  content: async () => textOf((await pushLog.find(1))?.content),
  'content in the list': async () => textOf((await pushLog.list(1, 1))[0]?.content),
})

const sealedValues: Record<string, unknown> = {
  session,
  flow,
  'flow consumed': flow,
  confirmation,
  'confirmation consumed': confirmation,
  'client secret': 'CANARY-CLIENT-SECRET',
  'client secret for access': 'CANARY-CLIENT-SECRET',
  'signing key': signingKey.jwk.reveal(),
  buyer: 'CANARY-BUYER',
  memo: 'CANARY-MEMO',
  answer: 'CANARY-ANSWER',
  'answer to a repeat': 'CANARY-ANSWER',
  content: 'CANARY-CONTENT',
  'content in the list': 'CANARY-CONTENT',
}

t.test('C-15, C-33: values are sealed at rest: no token, secret, session or private key is in the files', async (t) => {
  const folder = newFolder(t)
  const storage = openIn(t, folder)
  await saveOneOfEach(storage)
  await storage.close()
  const bytes = Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))))
  t.ok(bytes.includes('Acme'), 'what is not sealed is found this way')
  for (const canary of ['CANARY', 'accessToken', '"returnTo"', 'knownLoss']) {
    for (const encoding of ['utf8', 'utf16le', 'base64', 'hex'] as const) {
      const text = Buffer.from(canary).toString(encoding === 'utf16le' ? 'utf8' : encoding).replace(/.=*$/, '')
      t.notOk(bytes.includes(Buffer.from(text, encoding === 'utf16le' ? 'utf16le' : 'utf8')), `${canary} as ${encoding}`)
    }
  }
})

t.test('the folder is for its owner only', async (t) => {
  const folder = join(newFolder(t), 'made', 'here')
  openIn(t, folder)
  t.equal(statSync(folder).mode & 0o777, 0o700)
})

t.test('a value that was moved to another row does not open there', async (t) => {
  const folder = newFolder(t)
  const storage = openIn(t, folder)
  await saveOneOfEach(storage)
  await storage.close()

  const move = async (environment: RootDatabase, name: string, encoding: 'binary' | 'msgpack', from: Key, to: Key) => {
    const table = environment.openDB<unknown>(name, { encoding, useVersions: name !== 'directory' && !name.startsWith('push-') })
    const value = table.get(from)
    t.ok(value, `${name} has the row`)
    await table.put(to, value, 1)
  }
  const raw = open({ path: folder, maxDbs: 16 })
  await move(raw, 'sessions', 'binary', session.ref, 'session-2')
  await move(raw, 'login-flows', 'msgpack', flow.ref, 'flow-2')
  await move(raw, 'confirmations', 'msgpack', confirmation.ref, 'confirmation-2')
  await move(raw, 'confirmations', 'msgpack', confirmation.ref, flow.ref)
  await move(raw, 'login-flows', 'msgpack', flow.ref, confirmation.ref)
  await move(raw, 'directory', 'msgpack', ['binding', 'production', tenantId, appId, 'instance-1'], ['binding', 'production', 'tenant-2', appId, 'instance-1'])
  await move(raw, 'directory', 'msgpack', ['instance', 'production', purchase], ['instance', 'production', 'purchase-2'])
  await move(raw, 'push-answers', 'msgpack', 'purchase', 'tenant')
  await move(raw, 'push-log-contents', 'binary', 1, 2)
  const keys = raw.openDB<{ kid: string }, string>('signing-keys', { encoding: 'msgpack', useVersions: true })
  await keys.put('first', { ...keys.get('first'), kid: 'kid-2' }, 1)
  await raw.close()

  const again = openIn(t, folder)
  const corrupt = { code: 'GW_STORAGE_CORRUPT' }
  t.strictSame(await again.sessions.find(session.ref), session, 'the row it was moved from still opens')
  await t.rejects(again.sessions.find('session-2' as SessionRef), corrupt)
  await t.rejects(again.flows.findFlow('flow-2' as FlowRef), corrupt)
  await t.rejects(again.flows.consumeFlow(confirmation.ref), corrupt)
  await t.rejects(again.flows.findConfirmation('confirmation-2' as FlowRef), corrupt)
  await t.rejects(again.directory.viewTenant('production', 'tenant-2' as TenantId, appId), corrupt)
  await t.rejects(again.signingKeys.list(), corrupt)
  await t.rejects(again.directory.findInstances('production', ['purchase-2' as InstanceId]), corrupt)
  await t.rejects(again.directory.findAnswer('tenant'), corrupt)
  await t.rejects(again.directory.commit(tenantPush(1), receipt('tenant')), corrupt)
  t.strictSame(textOf((await again.pushLog.find(1))?.content), 'CANARY-CONTENT')
  await again.pushLog.append(anyRecord())
})

t.test('key rotation: new key first, old key last opens all that was sealed before', async (t) => {
  const folder = newFolder(t)
  const before = openIn(t, folder, keyOf(1))
  await saveOneOfEach(before)
  await before.close()

  const rotated = openIn(t, folder, keyOf(2), keyOf(1))
  for (const [name, read] of Object.entries(sealedReads(rotated))) t.strictSame(await read(), sealedValues[name], name)
  const written = anySession()
  await rotated.sessions.create(written)
  await rotated.close()
  t.strictSame(await openIn(t, folder, keyOf(2)).sessions.find(written.ref), written, 'what was written since needs the new key only')
})

t.test('C-35: a value whose key was taken away is GW_STORAGE_CORRUPT, never "there is none"', async (t) => {
  const folder = newFolder(t)
  const before = openIn(t, folder, keyOf(1))
  await saveOneOfEach(before)
  await before.close()
  const other = openIn(t, folder, keyOf(2))
  for (const [name, read] of Object.entries(sealedReads(other))) await t.rejects(read(), { code: 'GW_STORAGE_CORRUPT' }, name)
  await other.close()
  const back = openIn(t, folder, keyOf(2), keyOf(1))
  for (const [name, read] of Object.entries(sealedReads(back))) t.strictSame(await read(), sealedValues[name], `${name}: nothing was lost meanwhile`)
})

t.test('a restart keeps everything', async (t) => {
  const folder = newFolder(t)
  const before = openIn(t, folder)
  await saveOneOfEach(before)
  await before.flows.claimCode('code', 9)
  await before.sessions.replace({ ...session, lastSeenAt: 77, revision: 2 })
  const revision = await before.directory.revisionOf('production', tenantId)
  await before.close()

  const after = openIn(t, folder)
  t.strictSame(await after.sessions.find(session.ref), { ...session, lastSeenAt: 77, revision: 2 })
  t.equal(await after.sessions.replace({ ...session, revision: 2 }), false, 'compare-and-set too')
  t.equal(await after.flows.claimCode('code', 9), false)
  t.equal(await after.signingKeys.save(anySigningKey('kid-2')), false)
  t.equal(await after.directory.revisionOf('production', tenantId), revision)
  t.same(await after.directory.commit(tenantPush(1), receipt('tenant')), { kind: 'repeated' })
})

/** Starts a process that writes, kills it right after it has told of so many commits, returns what it told. */
async function writeUntilKilled (t: Test, folder: string, acknowledged: number): Promise<string[]> {
  const script = fileURLToPath(new URL('../support/lmdb-child.ts', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, script, folder, keyOf(1).toString('base64')], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const told: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.push(line)
    if (told.length === acknowledged) child.kill('SIGKILL')
  })
  t.match(await once(child, 'close'), [null, 'SIGKILL'])
  return told
}

for (const acknowledged of [1, 6]) {
  t.test(`C-59: kill -9 after ${acknowledged} answers: what was acknowledged is there, and of what was under way all or nothing`, async (t) => {
    const folder = newFolder(t)
    const [ref, ...pushes] = await writeUntilKilled(t, folder, acknowledged)
    const { directory, sessions, flows, signingKeys } = openIn(t, folder)

    const view = await directory.viewAccess('production', tenantId, appId, userName)
    t.match(view, { tenants: [{ name: 'Acme' }], bindings: [{ clientId: 'client-1' }], accounts: [{ userName }] })
    t.equal(view.bindings[0]?.clientSecret?.reveal(), 'client-secret-1')
    t.match(await sessions.find(ref as SessionRef), { ref, tokens: { accessToken: 'access-token-1' } })
    t.equal(await flows.findFlow(anyFlow('spent').ref), undefined, 'what was consumed stays consumed')
    t.equal(await flows.claimCode('code', 9), false)
    t.match(await signingKeys.list(), [{ kid: 'key' }])

    // Tenant, application and the pushes of accounts from number 1 on.
    const newest = await directory.revisionOf('production', tenantId) - 2
    t.ok(newest >= Number(pushes.at(-1) ?? 1), `${pushes.at(-1) ?? 1} acknowledged, ${newest} there`)
    const versions = await Promise.all(Array.from({ length: 300 }, async (_, index) => {
      const { accounts: [account] } = await directory.viewAccess('production', tenantId, appId, `user-${index}` as UserName)
      return account?.version
    }))
    t.strictSame([...new Set(versions)], [newest === 1 ? undefined : versionAt(newest)], 'all accounts of one push')
    t.same(await directory.commit(accountsPush(newest), receipt(`push ${newest}`)), { kind: 'repeated' }, 'its receipt with it')
    t.same(await directory.commit(accountsPush(newest), receipt(`push ${newest + 1}`)), { kind: 'committed' })
  })
}

t.test('sessions that a version without an index has stored are listed, end and are swept', async (t) => {
  const folder = newFolder(t)
  const before = openIn(t, folder)
  const many = [anySession(), anySession({ tenantId: 'tenant-2' as TenantId }), anySession({ endsAt: 5 })]
  for (const each of many) await before.sessions.create(each)
  await before.close()
  const raw = open({ path: folder, maxDbs: 64 })
  for (const name of ['sessions-by-user', 'session-places']) await raw.openDB(name, { encoding: 'msgpack' }).clearAsync()
  await raw.close()

  const { sessions } = openIn(t, folder)
  t.strictSame(await refsOf(sessions.list({ kind: 'all' })), many.map(({ ref }) => ref).sort())
  t.strictSame(await refsOf(sessions.list({ kind: 'tenant', tenantId: 'tenant-2' as TenantId })), [many[1]?.ref])
  t.equal(await sessions.sweep(6, 0), 1)
  t.equal(await sessions.end(many[0]?.ref as SessionRef), true)
  t.strictSame(await refsOf(sessions.list({ kind: 'all' })), [many[1]?.ref])
})

t.test('C-35: each operation of a closed store rejects with GW_STORAGE_UNAVAILABLE, and the process lives', async (t) => {
  const storage = await openNew(t)
  await saveOneOfEach(storage)
  const underWay = storage.flows.claimCode('under way', 9)
  await storage.close()
  t.equal(await underWay, true, 'close waits for writes under way')
  const { directory, sessions, flows, signingKeys, outbox, pushLog, erasures, keyUsage } = storage
  const operations: Record<string, () => Promise<unknown>> = {
    ...sealedReads(storage),
    commit: () => directory.commit(tenantPush(5), receipt('closed')),
    'commit of what was taken': () => directory.commit(tenantPush(1), receipt('tenant')),
    revisionOf: async () => directory.revisionOf('production', tenantId),
    'directory.sweep': () => directory.sweep(5),
    create: () => sessions.create(anySession()),
    replace: () => sessions.replace({ ...session, revision: 2 }),
    end: () => sessions.end(session.ref),
    'sessions.list': () => refsOf(sessions.list({ kind: 'all' })),
    acquire: () => storage.leases.acquire('x', 'y', 5, 5),
    release: () => storage.leases.release('x', 'y'),
    'leases.sweep': () => storage.leases.sweep(5),
    count: () => storage.rateLimits.count('x', 5, 5),
    'rateLimits.sweep': () => storage.rateLimits.sweep(5),
    'sessions.sweep': () => sessions.sweep(5, 5),
    saveFlow: () => flows.saveFlow(anyFlow('x')),
    saveConfirmation: () => flows.saveConfirmation(anyConfirmation('x')),
    claimCode: () => flows.claimCode('x', 5),
    isClaimed: () => flows.isClaimed('x'),
    'flows.sweep': () => flows.sweep(5),
    saveKey: () => signingKeys.save(anySigningKey('x')),
    replaceKey: () => signingKeys.replace(anySigningKey('x')),
    keepAnswer: () => directory.keepAnswer('x', 5, 'x'),
    findInstanceOfOrder: () => directory.findInstanceOfOrder('production', { orderId: 'x', orderLineId: '' }),
    listDepartments: () => directory.listDepartments('production', tenantId, 'x' as InstanceId),
    export: () => directory.export('production')[Symbol.asyncIterator]().next(),
    'outbox.list': () => outbox.list(),
    postpone: () => outbox.postpone(1, 1, 1),
    remove: () => outbox.remove(1),
    append: () => pushLog.append(anyRecord()),
    range: () => pushLog.range(),
    'pushLog.sweep': () => pushLog.sweep(5, 0),
    listDue: () => erasures.listDue(versionAt(5), 5),
    erase: () => erasures.erase({ scope: { kind: 'instance', instanceId: purchase }, version: versionAt(5) }),
    listUnsigned: () => erasures.listUnsigned(),
    keepReceipt: () => erasures.keepReceipt({ erasedAt: 5, token: 'x' }, 1),
    listReceipts: () => erasures.listReceipts(),
    see: () => keyUsage.see('kit', ['x'], 5),
    use: () => keyUsage.use('kit', 'x', 5),
    'keyUsage.list': () => keyUsage.list(),
    check: () => storage.check(),
  }
  for (const [name, run] of Object.entries(operations)) await t.rejects(run(), { code: 'GW_STORAGE_UNAVAILABLE' }, name)
})

t.test('a folder that cannot be made, and a file in its place, is GW_STORAGE_UNAVAILABLE', async (t) => {
  const folder = newFolder(t)
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => openLmdbStorage(join(folder, 'file'), new SealedBox([keyOf(1)]), new ManualClock()), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.throws(() => openLmdbStorage(join(folder, 'file', 'under'), new SealedBox([keyOf(1)]), new ManualClock()), { code: 'GW_STORAGE_UNAVAILABLE' })
})

t.test('at no moment is an erased tenant gone without what its receipt is written from', async (t) => {
  const { directory, erasures } = await openNew(t)
  const accounts = Array.from({ length: 1_200 }, (_, index) => ({ userName: `user-${index}` as UserName, name: 'N', details: {} }))
  for (const push of [tenantPush(1), accountsPush(1, { accounts }), tenantPush(5, { change: 'delete' })]) await directory.commit(push)
  const [planned] = await erasures.listDue(versionAt(9), 1)
  if (planned === undefined) throw new Error('nothing is due')
  const work = { isDone: false }
  const done = erasures.erase(planned).finally(() => { work.isDone = true })
  while (!work.isDone) {
    const { tenants } = await directory.viewTenant('production', tenantId, appId)
    if (tenants.length === 0 && (await erasures.listUnsigned()).length === 0) t.fail('a crash now would lose the receipt')
    await new Promise(setImmediate)
  }
  t.match(await done, { kind: 'tenant', tenants: 1, accounts: 1_200 })
})

t.test('check reaches the disk', async (t) => {
  const storage = await openNew(t)
  await t.resolves(storage.check())
})

t.test('C-35: with little room on the disk nothing new is taken in; what is there is read and removed, and later all is well', async (t) => {
  const storage = await openNew(t)
  await saveOneOfEach(storage)
  const { directory, sessions, flows, outbox, pushLog, keyUsage } = storage
  const { statfsSync } = fs
  const setFree = (statfs: typeof statfsSync): void => {
    fs.statfsSync = statfs
    syncBuiltinESMExports()
  }
  t.teardown(() => { setFree(statfsSync) })
  setFree((() => ({ ...statfsSync('/'), bavail: 16_383, bsize: 4096 })) as unknown as typeof statfsSync)
  const full = { code: 'GW_STORAGE_UNAVAILABLE' }
  await t.rejects(directory.commit(tenantPush(5), receipt('full')), full)
  await t.rejects(sessions.create(anySession({ ref: 'session-2' as SessionRef })), full)
  await t.rejects(sessions.replace({ ...session, revision: 2 }), full)
  await t.rejects(flows.saveFlow(anyFlow('x')), full)
  await t.rejects(flows.claimCode('x', 5), full)
  await t.rejects(directory.keepAnswer('full', 9, 'x'), full)
  await t.rejects(pushLog.append(anyRecord()), full)
  await t.rejects(keyUsage.use('kit', 'x', 5), full)
  await t.resolves(outbox.remove(1))
  t.equal(await pushLog.sweep(0, 0), 1)
  await t.rejects(storage.check(), full)
  const { cause } = await storage.check().catch((error: unknown) => error as Error) as Error
  t.match(cause, { message: /bytes are free/ }, 'the log says why')
  t.equal((await sessions.find(session.ref))?.userName, session.userName)
  t.equal(await sessions.end(session.ref), true)
  t.equal(await directory.revisionOf('production', tenantId), 3)

  setFree((() => ({ ...statfsSync('/'), bavail: 16_384, bsize: 4096 })) as unknown as typeof statfsSync)
  t.same(await directory.commit(tenantPush(5), receipt('full')), { kind: 'committed' }, 'not taken for a repeat')
})
