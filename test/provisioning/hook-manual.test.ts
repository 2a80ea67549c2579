import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceEvent } from '../../src/directory/instance.ts'
import type { InstanceId } from '../../src/directory/model.ts'
import { createAskChange } from '../../src/provisioning/ask-change.ts'
import { openProvisioningHook } from '../../src/provisioning/provisioning-hook.ts'
import { versionAt } from '../../src/directory/push-version.ts'
import { InstanceDirectory } from '../support/instance-directory.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openSellerHook } from '../support/seller-hook.ts'

const manual = readFileSync(new URL('../../docs/provisioning-hook.md', import.meta.url), 'utf8')
const blockOf = (language: string): string => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(manual)?.[1] ?? ''

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const instanceId = '87b94795-0603-4e24-8ae5-69420d60e3c8' as InstanceId
const order = { orderId: 'CS2211181819B4LVS', orderLineId: 'CS2211181819B4LVS-000001' }
const productId = 'OFFI461867333479178240'
const created: InstanceEvent = {
  id: 'evt_1', type: 'instance.created', instanceId, occurredAt: versionAt(Date.UTC(2025, 0, 1)), order, details: { productId, expiresAt: Date.UTC(2026, 0, 1) },
}

/** The program of the manual in a process of its own. */
async function runExample (t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-hook-'))
  const path = join(folder, 'hook.mjs')
  writeFileSync(path, blockOf('js'))
  const child = spawn(process.execPath, [path], { env: { HOOK_SECRET: secret, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill()
    await once(child, 'exit')
    rmSync(folder, { recursive: true })
  })
  const [line] = await once(child.stdout, 'data') as [Buffer]
  return `http://127.0.0.1:${/\d+/.exec(line.toString())?.[0]}`
}

t.test('the hook of the manual verifies what the gateway sends and answers as agreed', async (t) => {
  const url = await runExample(t)
  const open = (secrets: string[], clock: Clock = systemClock) => {
    const hook = openProvisioningHook({ url, secrets: secrets.map((text) => new Secret(text)), clock, dangerouslyAllowHttp: false })
    t.teardown(() => hook.close())
    return hook
  }
  const other = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
  const hook = open([other, secret])
  const ready = { kind: 'report', report: { kind: 'ready', frontEndUrl: `https://app.example.com/${instanceId}` }, unknownMembers: [] }
  t.same(await hook.tell(created, undefined), ready)
  t.same(await hook.tell(created, undefined), ready, 'a repeat is answered the same')
  t.same(await hook.tell({ ...created, id: 'evt_2', type: 'instance.frozen' }, undefined), { ...ready, report: { kind: 'ready' } })
  t.same(await createAskChange({ hook, clock: systemClock })({ realm: 'production', instanceId, productInfo: {} }), { kind: 'unfit', reason: 'please ask our support' })

  t.match(await open([other]).tell(created, undefined), { kind: 'failed', status: 401 }, 'another secret')
  for (const minutes of [-6, 6]) {
    t.match(await open([secret], new ManualClock(Date.now() + minutes * 60_000)).tell(created, undefined), { kind: 'failed', status: 401 }, 'another time')
  }
  const { statusCode, body } = await request(url, { method: 'POST', body: '{}' })
  await body.dump()
  t.equal(statusCode, 401, 'no signature')
})

t.test('the body in the manual is what is sent', async (t) => {
  const seller = await openSellerHook(t)
  const clock = new ManualClock()
  const hook = openProvisioningHook({ url: seller.url, secrets: [new Secret(secret)], clock, dangerouslyAllowHttp: false })
  t.teardown(() => hook.close())
  const directory = new InstanceDirectory(clock)
  await directory.create(instanceId, { buyer: { customerId: 'c-1', customerName: '某企业' } })
  await directory.push(instanceId, {
    kind: 'purchase',
    purchase: {
      ...{ orderId: order.orderId, orderType: 'NEW', chargingMode: 'PERIOD', periodType: 'year', periodNumber: 1 },
      products: [{ productId, skuCode: 'sku-1', name: 'Team', amount: 50 }],
    },
  })
  await hook.tell(created, directory.instances.get(instanceId))
  t.same(JSON.parse(seller.calls[0]?.body ?? ''), JSON.parse(blockOf('json')))
})
