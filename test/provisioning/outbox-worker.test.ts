import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceEvent } from '../../src/directory/instance.ts'
import type { InstanceId } from '../../src/directory/model.ts'
import type { HookAnswer } from '../../src/provisioning/hook-answer.ts'
import { OutboxWorker, type OutboxWorkerOptions } from '../../src/provisioning/outbox-worker.ts'
import { openProvisioningHook } from '../../src/provisioning/provisioning-hook.ts'
import { InstanceDirectory } from '../support/instance-directory.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ManualSchedule } from '../support/manual-schedule.ts'
import { MemoryLeases } from '../support/memory-leases.ts'
import { openSellerHook } from '../support/seller-hook.ts'
import { until } from '../support/signed-in.ts'

const minute = 60_000
const hour = 60 * minute
const a = 'a' as InstanceId
const b = 'b' as InstanceId

interface LogLine { readonly level: string, readonly event: string, readonly [member: string]: unknown }

/** Directory, outbox, time and log, which outlive the workers made over them. */
function build () {
  const clock = new ManualClock()
  const time = new ManualSchedule(clock)
  const directory = new InstanceDirectory(clock)
  const leases = new MemoryLeases()
  const lines: LogLine[] = []
  const log: OutboxWorkerOptions['log'] = (level, line) => { lines.push({ level, ...line }) }
  const work = (more: Partial<OutboxWorkerOptions>): OutboxWorker =>
    new OutboxWorker({ outbox: directory.outbox, leases, directory, clock, schedule: time.schedule, log, random: () => 0, ...more })
  return { clock, time, directory, outbox: directory.outbox, leases, lines, work }
}

/** The same with a seller's system behind real HTTP. */
async function open (t: Test) {
  const house = build()
  const seller = await openSellerHook(t)
  const hook = openProvisioningHook({
    url: seller.url, secrets: [new Secret(`whsec_${Buffer.alloc(32).toString('base64')}`)], clock: house.clock, dangerouslyAllowHttp: true, timeoutSeconds: 2,
  })
  const work = (more: Partial<OutboxWorkerOptions> = {}): OutboxWorker => {
    const worker = house.work({ hook, ...more })
    t.teardown(() => worker.close())
    return worker
  }
  t.teardown(() => hook.close())
  const told = () => seller.calls.map(({ body }) => {
    const { type, data } = JSON.parse(body) as { type: string, data: { instanceId: string } }
    return `${data.instanceId} ${type.replace('instance.', '')}`
  })
  return { ...house, seller, work, told }
}

/** All microtasks; nothing here waits for anything but them. */
const settle = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

t.test('newInstance waits until its event is answered: the report is kept before the event is forgotten', async (t) => {
  const { directory, outbox, seller, work, told } = await open(t)
  const worker = work()
  await directory.create('a')
  seller.answer = { status: 200, body: { status: 'ready', instanceId: 'crm-7', frontEndUrl: 'https://crm-7.example.com', memo: '说明' } }
  await worker.wake(a)
  t.same(told(), ['a created'])
  t.match(directory.instances.get('crm-7'), { provisioning: 'ready', access: { frontEndUrl: 'https://crm-7.example.com', memo: '说明' } })
  t.equal(directory.instances.has('a'), false)
  t.same(outbox.entries, [])
})

t.test('a seller who says no is believed; a no to a later event undoes nothing and is loud', async (t) => {
  const { directory, lines, seller, work } = await open(t)
  const worker = work()
  seller.answer = { status: 200, body: { status: 'refused', reason: 'sold out' } }
  await directory.create('a')
  await worker.wake(a)
  t.match(directory.instances.get('a'), { provisioning: 'refused', refusal: 'sold out' })
  await directory.create('b', { provisioning: 'ready' })
  await worker.wake(b)
  t.match(directory.instances.get('b'), { provisioning: 'ready' })
  t.match(lines, [{ level: 'error', event: 'provisioning.refused', reason: 'sold out', instanceId: 'a' }, { event: 'provisioning.refused', instanceId: 'b' }])
})

t.test('heard without news makes a created instance ready and says nothing at a later event', async (t) => {
  const { directory, work } = await open(t)
  const worker = work()
  await directory.create('a')
  await directory.push('a', { kind: 'status', status: 'frozen' })
  await worker.wake(a)
  await worker.wake(a)
  t.same(directory.outbox.entries, [])
  t.same(directory.committed.map(({ kind }) => kind), ['create', 'status', 'provision'])
  t.match(directory.instances.get('a'), { provisioning: 'ready', access: { frontEndUrl: 'https://gate.example.com' } })
})

t.test('an id comes too late once the marketplace knows another, and a misspelt member is named', async (t) => {
  const { directory, lines, seller, work } = await open(t)
  await directory.create('a')
  await directory.push('a', { kind: 'tell' })
  seller.answer = { status: 200, body: { status: 'ready', instanceId: 'late', frontendUrl: 'https://a.example' } }
  await work().wake(a)
  t.match(lines, [
    { level: 'warn', event: 'provisioning.unknown-members', members: ['frontendUrl'] },
    { level: 'warn', event: 'provisioning.id-not-taken', instanceId: 'a', wished: 'late' },
  ])
})

t.test('the wait ends with patience, at a failure, and at once when nothing can be told now', async (t) => {
  const { directory, time, seller, work } = await open(t)
  const worker = work()
  await worker.wake(a)
  t.pass('there is no such event')

  let finish = (): void => {}
  const arrived = new Promise<void>((resolve) => {
    seller.answer = (_call, response) => {
      finish = () => { response.writeHead(500).end() }
      resolve()
    }
  })
  await directory.create('a')
  const first = worker.wake(a)
  await arrived
  time.advance(999)
  t.equal(await Promise.race([first, settle().then(() => 'waiting')]), 'waiting')
  time.advance(1)
  await first
  const second = worker.wake(a)
  finish()
  await second
  t.match(directory.outbox.entries, [{ attempts: 1 }], 'who waits for the answer under way hears of its failure')
  await worker.wake(a)
  t.equal(seller.calls.length, 1, 'a wake does not shorten the pause')
  seller.answer = { status: 204 }
  time.advance(5_000)
  for (let i = 0; i < 3; i++) await worker.wake(a)
  t.equal(seller.calls.length, 2, 'however often the outbox is read, an event is told once')
})

t.test('a failed attempt is repeated after 5 s, 30 s, 2, 10 and 30 minutes, then hourly, in each process anew', async (t) => {
  const { clock, directory, lines, time, seller, work } = await open(t)
  seller.answer = { status: 410 }
  await directory.create('a')
  let worker = work()
  await worker.wake(a)
  const pauses = []
  for (let attempt = 1; attempt <= 8; attempt++) {
    const [entry] = directory.outbox.entries
    t.equal(entry?.attempts, attempt, 'attempts are counted where a crash does not reach them')
    const pause = (entry?.notBefore ?? 0) - clock.now()
    pauses.push(pause)
    if (attempt % 3 === 0) {
      await worker.close()
      worker = work()
      worker.start()
      await settle()
    }
    time.advance(pause - 1)
    await settle()
    t.equal(seller.calls.length, attempt, 'not a moment earlier')
    time.advance(1)
    await worker.wake(a)
    t.equal(seller.calls.length, attempt + 1)
  }
  t.same(pauses, [5_000, 30_000, 2 * minute, 10 * minute, 30 * minute, hour, hour, hour])
  t.equal(new Set(seller.calls.map(({ headers }) => headers['webhook-id'])).size, 1, 'all under one id')
  t.same(lines.map(({ level }) => level), ['warn', 'warn', 'warn', 'error', 'error', 'error', 'error', 'error', 'error'])
  t.match(lines[0], { event: 'provisioning.failed', webhookId: /^evt_/, instanceId: 'a', type: 'instance.created', attempts: 1, why: 'status', status: 410 })
})

t.test('pauses are spread by up to a fifth, so that repeated calls do not come in one wave', async (t) => {
  const { clock, directory, seller, work } = await open(t)
  seller.answer = { status: 500 }
  await directory.create('a')
  await work({ random: () => 0.999 }).wake(a)
  t.equal((directory.outbox.entries[0]?.notBefore ?? 0) - clock.now(), 5_999)
})

t.test('"not ready yet" is asked again without counting as a failure, and loud before the marketplace gives up', async (t) => {
  const { clock, directory, lines, time, seller, work } = await open(t)
  await directory.create('a')
  const worker = work()
  seller.answer = { status: 500 }
  await worker.wake(a)
  const pauses = []
  const untilDue = () => Math.max(0, (directory.outbox.entries[0]?.notBefore ?? 0) - clock.now())
  for (const body of [{ status: 'pending' }, { status: 'pending', retryAfterSeconds: 0 }, { status: 'pending', retryAfterSeconds: 40 }, { status: 'pending', retryAfterSeconds: 9e9 }]) {
    seller.answer = { status: 202, body }
    time.advance(untilDue())
    await worker.wake(a)
    const [entry] = directory.outbox.entries
    t.equal(entry?.attempts, 0, 'the hook works, so the count of failures begins anew')
    pauses.push((entry?.notBefore ?? 0) - clock.now())
  }
  t.same(pauses, [30_000, 5_000, 40_000, 5 * minute])
  t.match(directory.instances.get('a'), { provisioning: 'pending' })
  seller.answer = { status: 202 }
  for (let i = 0; i < 200; i++) {
    time.advance(untilDue())
    await worker.wake(a)
  }
  const late = lines.filter(({ event }) => event === 'provisioning.late')
  t.equal(late.length, 1)
  t.match(late, [{ level: 'error', instanceId: 'a' }])
  t.equal((directory.outbox.entries[0]?.notBefore ?? 0) - clock.now(), 5 * minute)
  seller.answer = { status: 200, body: { status: 'ready' } }
  time.advance(5 * minute)
  await worker.wake(a)
  t.match(directory.instances.get('a'), { provisioning: 'ready' })
})

t.test('the head of an instance blocks its followers and nobody else', async (t) => {
  const { directory, time, seller, work, told } = await open(t)
  seller.answer = ({ body }, response) => { response.writeHead(body.includes('"a"') ? 503 : 204).end() }
  await directory.create('a')
  await directory.push('a', { kind: 'status', status: 'frozen' })
  await directory.push('a', { kind: 'status', status: 'normal' })
  await directory.create('b')
  await directory.push('b', { kind: 'release' })
  const worker = work()
  await worker.wake(a)
  await worker.wake(b)
  await worker.wake(b)
  t.same(told().filter((line) => line.startsWith('a')), ['a created'])
  t.same(told().filter((line) => line.startsWith('b')), ['b created', 'b released'])
  seller.answer = { status: 204 }
  time.advance(5_000)
  for (let i = 0; i < 3; i++) await worker.wake(a)
  t.same(told().filter((line) => line.startsWith('a')), ['a created', 'a created', 'a frozen', 'a unfrozen'])
  t.same(directory.outbox.entries, [])
})

t.test('four instances are told at a time, what is new before what has failed', async (t) => {
  const { directory, outbox, work } = build()
  const running: Array<{ id: string, finish: (answer: HookAnswer) => void }> = []
  const tell = ({ instanceId: id }: InstanceEvent) => new Promise<HookAnswer>((resolve) => { running.push({ id, finish: resolve }) })
  for (let i = 1; i <= 6; i++) await directory.create(`i${i}`)
  await outbox.postpone(5, 7, 0)
  const worker = work({ hook: { tell } })
  worker.start()
  await settle()
  t.same(running.map(({ id }) => id), ['i1', 'i2', 'i3', 'i4'])
  running[1]?.finish({ kind: 'report', report: { kind: 'ready' }, unknownMembers: [] })
  await settle()
  t.same(running.slice(4).map(({ id }) => id), ['i6'])
  running[0]?.finish({ kind: 'pending' })
  await settle()
  t.same(running.slice(5).map(({ id }) => id), ['i5'])

  await directory.create('i7')
  const waiting = worker.wake('i7' as InstanceId)
  await settle()
  const closed = worker.close()
  t.equal(await Promise.race([closed, settle().then(() => 'waiting')]), 'waiting', 'close waits for the calls under way')
  for (const { finish } of running) finish({ kind: 'pending' })
  await closed
  await waiting
  await settle()
  t.equal(running.length, 6, 'and starts no other')
  t.equal(outbox.entries.length, 6)
})

t.test('where nobody listens the outbox is emptied all the same, once the purchase is known', async (t) => {
  const { directory, outbox, work } = build()
  const enriched: string[] = []
  await directory.create('a', { provisioning: 'ready' })
  await directory.push('a', { kind: 'release' })
  const worker = work({ enrich: async ({ type }) => { enriched.push(type) } })
  await worker.wake(a)
  await settle()
  t.same(enriched, ['instance.created', 'instance.released'])
  t.same(outbox.entries, [])
  t.match(directory.instances.get('a'), { provisioning: 'ready' })
})

t.test('a crash between the report and the outbox has the event told again, under the same id, with the same end', async (t) => {
  const { directory, outbox, lines, time, seller, work, told } = await open(t)
  seller.answer = { status: 200, body: { status: 'ready', frontEndUrl: 'https://a.example.com' } }
  await directory.create('a')
  outbox.remove = async () => { throw new Error('the power went out') }
  const crashed = work()
  await crashed.wake(a)
  await crashed.close()
  Reflect.deleteProperty(outbox, 'remove')
  t.match(directory.instances.get('a'), { provisioning: 'ready' }, 'the report had been kept')
  t.equal(outbox.entries.length, 1)
  t.match(lines, [{ level: 'error', event: 'provisioning.not-kept' }])

  const next = work()
  next.start()
  await next.wake(a)
  t.same(told(), ['a created', 'a created'])
  t.equal(new Set(seller.calls.map(({ headers }) => headers['webhook-id'])).size, 1)
  t.same(outbox.entries, [])
  t.match(directory.instances.get('a'), { access: { frontEndUrl: 'https://a.example.com' } })
  await next.close()
  t.equal(time.next, undefined, 'no timer is left')
})

t.test('a store that is down loses no event and is asked again', async (t) => {
  const { directory, outbox, lines, time, seller, work } = await open(t)
  const worker = work()
  await directory.create('a')
  outbox.fault = new Error('disk full')
  await worker.wake(a)
  t.match(lines, [{ level: 'error', event: 'provisioning.outbox-unreadable' }])
  t.equal(seller.calls.length, 0)
  outbox.fault = undefined
  directory.fault = new Error('disk full')
  time.advance(5_000)
  await settle()
  await worker.wake(a)
  t.equal(seller.calls.length, 1)
  t.equal(outbox.entries.length, 1, 'what could not be kept is not forgotten')
  directory.fault = undefined
  time.advance(5_000)
  await worker.wake(a)
  t.equal(seller.calls.length, 2)
  t.same(outbox.entries, [])
  t.match(directory.instances.get('a'), { provisioning: 'ready' })
})

t.test('of several gateways one tells an instance\'s events; what it leaves behind another takes up', async (t) => {
  const { clock, directory, leases, outbox, time, seller, work, told } = await open(t)
  const gateways = [work(), work(), work()]
  for (const name of ['a', 'b']) await directory.create(name)
  await Promise.all(gateways.flatMap((gateway) => [gateway.wake(a), gateway.wake(b)]))
  t.same(told().sort(), ['a created', 'b created'], 'each event once')
  for (let turn = 0; turn < 3; turn++) {
    time.advance(5_000)
    await Promise.all(gateways.map((gateway) => gateway.wake(a)))
  }
  t.equal(seller.calls.length, 2, 'also when the others look again')

  await directory.create('c')
  const c = 'c' as InstanceId
  await leases.acquire('events:c', 'a gateway that was killed', clock.now(), 120_000)
  await gateways[0]?.wake(c)
  time.advance(119_999)
  await settle()
  t.equal(seller.calls.length, 2)
  time.advance(5_001)
  await until(() => outbox.entries.length === 0)
  t.same(told().slice(2), ['c created'])
})

const never = <Value>(): Promise<Value> => new Promise(() => {})

/** A store as a process sees it that dies at some point: from then on nothing is done and nothing returns. */
function mortal<Port extends object> (port: Port, life: { isOver: boolean }): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as () => unknown
      return (...given: unknown[]) => life.isOver ? never() : Reflect.apply(method, target, given)
    },
  })
}

type Step = 'heard' | 'fails' | 'pending' | 'commit-fails' | 'crash-before' | 'crash-after'

const anyStep = fc.constantFrom<Step>('heard', 'heard', 'heard', 'fails', 'pending', 'commit-fails', 'crash-before', 'crash-after')

t.test('whatever fails and whenever the process dies: every event is heard, each instance\'s in their order', async () => {
  await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), async (script) => {
    const { directory, outbox, time, work } = build()
    const heard: InstanceEvent[] = []
    const steps = [...script]
    let life = { isOver: false }
    const tell = async (event: InstanceEvent): Promise<HookAnswer> => {
      const step = steps.shift() ?? 'heard'
      directory.fault = step === 'commit-fails' ? new Error('disk full') : undefined
      // The seller's system may have acted or not; this process hears of neither and does nothing more.
      if (step.startsWith('crash')) life.isOver = true
      if (step === 'crash-before') return never()
      if (step === 'fails') return { kind: 'failed', why: 'status', status: 500 }
      if (step === 'pending') return { kind: 'pending' }
      heard.push(event)
      if (step === 'crash-after') return never()
      return { kind: 'report', report: { kind: 'ready', memo: 'm' }, unknownMembers: [] }
    }
    for (const id of ['a', 'b', 'c']) await directory.create(id)
    for (const id of ['a', 'b', 'c']) {
      await directory.push(id, { kind: 'status', status: 'frozen' })
      await directory.push(id, { kind: 'status', status: 'normal' })
      await directory.push(id, { kind: 'release' })
    }
    const events = outbox.entries.map(({ event }) => event)
    const begin = (): OutboxWorker => {
      const mine = life = { isOver: false }
      const schedule: OutboxWorkerOptions['schedule'] = (milliseconds, run) => time.schedule(milliseconds, () => { if (!mine.isOver) run() })
      const worker = work({ hook: { tell }, outbox: mortal(outbox, mine), directory: mortal(directory, mine), schedule })
      worker.start()
      return worker
    }
    let worker = begin()
    for (let turn = 0; outbox.entries.length > 0 && turn < 1_000; turn++) {
      await settle()
      if (life.isOver) worker = begin()
      else time.advance(time.next ?? 0)
    }
    await worker.close()
    const firsts = heard.filter((event, index) => heard.findIndex(({ id }) => id === event.id) === index)
    for (const id of ['a', 'b', 'c']) {
      const of = (list: readonly InstanceEvent[]) => list.filter(({ instanceId }) => instanceId === id).map(({ type }) => type)
      if (of(firsts).join() !== of(events).join()) return false
    }
    return outbox.entries.length === 0
  }), { numRuns: 60 })
})
