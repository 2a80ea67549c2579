import type { Test } from 'tap'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import type { Outbox } from '../../src/directory/outbox.ts'
import { createPush, releasePush, renewPush, statusPush } from '../support/instance-pushes.ts'

const now = Date.UTC(2025, 0, 1)

/** What every `Outbox` keeps to, with the directory whose commits fill it. */
export function testOutbox (t: Test, openStore: (t: Test) => Promise<{ outbox: Outbox, directory: DirectoryStore }>): void {
  let receipts = 0
  const commit = (directory: DirectoryStore, push: Parameters<DirectoryStore['commit']>[0]) =>
    directory.commit(push, { signatureDigest: `outbox ${receipts++}`, expiresAt: 9 })

  t.test('a commit leaves an entry for each event, in order, and a repeat leaves none', async (t) => {
    const { outbox, directory } = await openStore(t)
    t.same(await outbox.list(), [])
    for (const push of [createPush('one', now), createPush('one', now + 1), renewPush('one', now + 2, 5), releasePush('one', now + 3)]) await commit(directory, push)
    const entries = await outbox.list()
    t.match(entries.map(({ event }) => event.type), ['instance.created', 'instance.renewed', 'instance.released'])
    t.match(entries, [{ attempts: 0, notBefore: 0, event: { instanceId: 'one', order: { orderId: 'order of one' } } }])
    t.same(entries.map(({ sequence }) => sequence), [1, 2, 3])
  })

  t.test('the test realm and a change that was not taken leave none', async (t) => {
    const { outbox, directory } = await openStore(t)
    await commit(directory, { ...createPush('one', now), realm: 'test' })
    await commit(directory, statusPush('unknown', now, 'frozen'))
    const same = { signatureDigest: 'same', expiresAt: 9 }
    await directory.commit(createPush('two', now), same)
    await directory.commit(renewPush('two', now + 1, 5), same)
    t.match((await outbox.list()).map(({ event }) => event.type), ['instance.created'])
  })

  t.test('what was told is gone, what was put off waits, and a number is never given twice', async (t) => {
    const { outbox, directory } = await openStore(t)
    await commit(directory, createPush('one', now))
    await commit(directory, createPush('two', now))
    await outbox.postpone(1, 3, now + 60_000)
    t.match(await outbox.list(), [{ sequence: 1, attempts: 3, notBefore: now + 60_000, event: { instanceId: 'one' } }, { sequence: 2, attempts: 0 }])
    t.strictSame(await outbox.find(1), (await outbox.list())[0])
    await outbox.remove(1)
    t.equal(await outbox.find(1), undefined)
    await outbox.remove(2)
    await outbox.remove(2)
    await outbox.postpone(2, 1, now)
    t.same(await outbox.list(), [], 'putting off what was told brings it not back')
    await commit(directory, createPush('three', now))
    t.match(await outbox.list(), [{ sequence: 3, event: { instanceId: 'three' } }])
  })
}
