import type { Test } from 'tap'
import { sha256 } from '../../src/base/digest.ts'
import type { InstanceId } from '../../src/directory/model.ts'
import type { FlowRef, LoginFlow, LoginFlowStore, PendingConfirmation } from '../../src/session/login-flow.ts'
import { appId, tenantId, userName, versionAt } from '../support/directory-pushes.ts'

export function anyFlow (name: string, expiresAt = 2_000): LoginFlow {
  return { ref: sha256(name) as FlowRef, kind: 'authorize', appId, tenantId, returnTo: '/a?b=c#d', startedAt: 1_000, expiresAt }
}

export function anyConfirmation (name: string, expiresAt = 2_000): PendingConfirmation {
  return {
    ref: sha256(name) as FlowRef,
    principal: {
      tenantId,
      tenantName: '某企业',
      appId,
      instanceId: 'instance-1' as InstanceId,
      userName,
      name: '张三',
      role: 'user',
      departmentCode: '',
      access: 'full',
    },
    knownLoss: versionAt(1),
    clientId: 'client-1',
    tokens: { accessToken: 'access-token-of-confirmation', refreshToken: 'refresh-token-of-confirmation', expiresAt: 9 },
    returnTo: '/',
    expiresAt,
  }
}

/** What every `LoginFlowStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testLoginFlowStore (t: Test, openStore: (t: Test) => Promise<LoginFlowStore>): void {
  t.test('a flow and a confirmation come back whole, reading does not use them up', async (t) => {
    const store = await openStore(t)
    await store.saveFlow(anyFlow('a'))
    await store.saveConfirmation(anyConfirmation('a'))
    for (let round = 0; round < 2; round++) {
      t.strictSame(await store.findFlow(anyFlow('a').ref), anyFlow('a'))
      t.strictSame(await store.findConfirmation(anyFlow('a').ref), anyConfirmation('a'))
    }
    t.equal(await store.findFlow(anyFlow('b').ref), undefined)
    t.equal(await store.consumeFlow(anyFlow('b').ref), undefined)
    t.equal(await store.consumeConfirmation(anyFlow('b').ref), undefined)
  })

  t.test('consume is one-time: of 50 callbacks at once one gets the flow', async (t) => {
    const store = await openStore(t)
    await store.saveFlow(anyFlow('a'))
    await store.saveConfirmation(anyConfirmation('a'))
    const flows = await Promise.all(Array.from({ length: 50 }, () => store.consumeFlow(anyFlow('a').ref)))
    t.strictSame(flows.filter((flow) => flow !== undefined), [anyFlow('a')])
    t.equal(await store.findFlow(anyFlow('a').ref), undefined)
    t.strictSame(await store.findConfirmation(anyFlow('a').ref), anyConfirmation('a'), 'a confirmation of the same ref is another thing')
    const confirmations = await Promise.all(Array.from({ length: 50 }, () => store.consumeConfirmation(anyFlow('a').ref)))
    t.strictSame(confirmations.filter((each) => each !== undefined), [anyConfirmation('a')])
    t.equal(await store.findConfirmation(anyFlow('a').ref), undefined)
  })

  t.test('C-7: a code is claimed by exactly one of 50 at once, and by nobody later', async (t) => {
    const store = await openStore(t)
    t.equal(await store.isClaimed('code'), false)
    const claims = await Promise.all(Array.from({ length: 50 }, (_, index) => store.claimCode('code', 1_000 + index)))
    t.equal(claims.filter(Boolean).length, 1)
    t.equal(await store.claimCode('code', 5_000), false)
    t.same([await store.isClaimed('code'), await store.isClaimed('other code')], [true, false])
    t.equal(await store.claimCode('other code', 5_000), true)
  })

  t.test('sweep removes exactly what has expired: flows, confirmations, codes', async (t) => {
    const store = await openStore(t)
    for (const [name, expiresAt] of [['old', 999], ['border', 1_000], ['new', 1_001]] as const) {
      await store.saveFlow(anyFlow(name, expiresAt))
      await store.saveConfirmation(anyConfirmation(name, expiresAt))
      await store.claimCode(name, expiresAt)
    }
    t.equal(await store.sweep(1_000), 3)
    t.equal(await store.findFlow(anyFlow('old').ref), undefined)
    t.equal(await store.findConfirmation(anyFlow('old').ref), undefined)
    for (const name of ['border', 'new']) {
      t.ok(await store.findFlow(anyFlow(name).ref))
      t.ok(await store.findConfirmation(anyFlow(name).ref))
      t.equal(await store.claimCode(name, 9_000), false)
    }
    t.equal(await store.claimCode('old', 9_000), true)
    t.equal(await store.sweep(1_000), 0)
  })
}
