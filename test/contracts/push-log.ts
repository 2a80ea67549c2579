import type { Test } from 'tap'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import type { InstanceId, TenantId } from '../../src/directory/model.ts'
import type { PushLog, PushRecord } from '../../src/directory/push-log.ts'
import { tenantPush } from '../support/directory-pushes.ts'
import { createPush, readyPush } from '../support/instance-pushes.ts'

const now = Date.UTC(2025, 0, 1)

export function anyRecord (more: Partial<PushRecord> = {}): PushRecord {
  return {
    receivedAt: 1_000,
    interface: 'tenantSync',
    generation: 'v2',
    realm: 'production',
    tenantId: 'tenant-1' as TenantId,
    instanceId: 'instance-1' as InstanceId,
    outcome: 'committed',
    resultCode: '000000',
    keyFingerprint: 'abcdef',
    variant: 'canonical',
    content: Buffer.from('{"tenantId":"tenant-1"}'),
    ...more,
  }
}

/** What every `PushLog` keeps to, with the directory whose commits fill it. */
export function testPushLog (t: Test, openStore: (t: Test) => Promise<{ pushLog: PushLog, directory: DirectoryStore }>): void {
  t.test('records are found as they came, by number and in order', async (t) => {
    const { pushLog } = await openStore(t)
    t.equal(await pushLog.range(), undefined)
    t.same(await pushLog.list(0, 10), [])
    const binary = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const { tenantId, instanceId, realm, keyFingerprint, variant, ...bare } = anyRecord({ outcome: 'malformed', content: Buffer.alloc(0) })
    const records = [anyRecord({ content: binary }), anyRecord({ interface: 'authSync' }), bare]
    for (const record of records) await pushLog.append(record)
    t.strictSame(await pushLog.list(0, 10), records.map((record, index) => ({ number: index + 1, ...record })))
    t.strictSame((await pushLog.list(2, 1)).map(({ number }) => number), [2])
    t.strictSame(await pushLog.find(3), { number: 3, ...bare })
    t.equal(await pushLog.find(4), undefined)
    t.strictSame(await pushLog.range(), { first: 1, last: 3 })
  })

  t.test('what a commit does is archived with it; a repeat and what was not taken are not', async (t) => {
    const { pushLog, directory } = await openStore(t)
    const record = anyRecord()
    await directory.commit(tenantPush(1), { signatureDigest: 'a', expiresAt: 9, record })
    await directory.commit(tenantPush(1), { signatureDigest: 'a', expiresAt: 9, record })
    await directory.commit({ ...tenantPush(2), change: 'add', name: '' }, { signatureDigest: 'b', expiresAt: 9, record })
    await directory.commit(readyPush('unknown', now), { signatureDigest: 'c', expiresAt: 9, record })
    t.strictSame(await pushLog.list(0, 10), [{ number: 1, ...record }])
  })

  t.test('a change of our own is archived as the gateway\'s, if it changes something', async (t) => {
    const { pushLog, directory } = await openStore(t)
    await directory.commit(createPush('one', now, { provisioning: 'pending' }), { signatureDigest: 'a', expiresAt: 9 })
    t.match(await directory.commit(readyPush('one', now + 1)), { kind: 'committed', instance: { provisioning: 'ready' } })
    t.match(await directory.commit(readyPush('one', now + 2)), { kind: 'committed', instance: { provisioning: 'ready' } })
    const [own, ...others] = await pushLog.list(0, 10)
    t.same(others, [])
    t.match(own, { number: 1, interface: 'gateway', generation: 'own', realm: 'production', instanceId: 'one', outcome: 'committed', receivedAt: Number })
    t.same(JSON.parse(String(own?.content)), readyPush('one', now + 1))
  })

  t.test('the sweep forgets by age, then the oldest beyond the size; numbers go on', async (t) => {
    const { pushLog } = await openStore(t)
    const numbers = async () => (await pushLog.list(0, 100)).map(({ number }) => number)
    for (let at = 1; at <= 10; at++) await pushLog.append(anyRecord({ receivedAt: at, content: Buffer.alloc(100, at) }))
    t.equal(await pushLog.sweep(1, 1_000), 0)
    t.equal(await pushLog.sweep(4, 1_000), 3, 'those before 4')
    t.same(await numbers(), [4, 5, 6, 7, 8, 9, 10])
    t.equal(await pushLog.sweep(0, 299), 5, 'the size of two and a bit')
    t.same(await numbers(), [9, 10])
    t.equal(await pushLog.sweep(0, 200), 0)
    t.strictSame(await pushLog.range(), { first: 9, last: 10 })
    t.equal(await pushLog.sweep(100, 1_000), 2)
    t.equal(await pushLog.range(), undefined)
    await pushLog.append(anyRecord())
    t.same(await numbers(), [11])
    t.equal(await pushLog.sweep(0, 0), 1, 'the size is known after all the removals')
  })

  t.test('records at once get a number each', async (t) => {
    const { pushLog, directory } = await openStore(t)
    await Promise.all(Array.from({ length: 20 }, (_, index) => index % 2 === 0
      ? pushLog.append(anyRecord())
      : directory.commit(tenantPush(index), { signatureDigest: `${index}`, expiresAt: 9, record: anyRecord() })))
    t.same((await pushLog.list(0, 100)).map(({ number }) => number), Array.from({ length: 20 }, (_, index) => index + 1))
  })
}
