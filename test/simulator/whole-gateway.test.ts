import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { openDemo } from '../../src/commands/demo.ts'
import type { PushAnswer } from '../../src/simulator/marketplace-state.ts'

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

async function openFresh (t: Test) {
  const [gateway, operator, simulator, application] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const demo = await openDemo({ gateway, operator, simulator, application })
  t.teardown(() => demo.close())
  return demo.world.marketplace
}

const said = (answers: readonly PushAnswer[]) => answers.map(({ name, resultCode, bodySign }) => `${name} ${resultCode} ${bodySign}`)

t.test('the gateway answers everything that the marketplace says, in both generations', async (t) => {
  const marketplace = await openFresh(t)

  t.test('the demo begins with instances that newInstance made and departments that allOrgSync brought', async (t) => {
    const names = new Set(marketplace.state.pushes.map(({ name }) => name))
    for (const name of ['newInstance', 'queryInstance', 'tenantSync', 'applicationSync', 'allOrgSync', 'authSync']) t.ok(names.has(name), name)
    t.match([...marketplace.state.instances.values()], [
      { enterpriseCode: 'sunrise', state: 'active', isBound: true, frontEndUrl: /^http/ }, { enterpriseCode: 'bluesea', state: 'active', isBound: true },
    ])
  })

  for (const generation of ['v2', 'v1'] as const) {
    t.test(`a whole life in ${generation}`, async (t) => {
      marketplace.setGeneration(generation)
      const answers = await marketplace.buy('sunrise', { isTrial: true })
      const { orderId, state } = [...marketplace.state.instances.values()].at(-1)!
      t.equal(state, 'active')
      const department = { code: `2000${generation}`, name: `售后部 ${generation}`, parentCode: '10002' }
      for (const act of [
        () => marketplace.bindInstance(orderId),
        () => marketplace.renew(orderId, 'TRIAL_TO_FORMAL'),
        () => marketplace.renew(orderId),
        () => marketplace.freeze(orderId),
        () => marketplace.unfreeze(orderId),
        () => marketplace.freeze(orderId, 'violation'),
        () => marketplace.upgrade(orderId),
        () => marketplace.notifyOrder(orderId),
        () => marketplace.openDetails(orderId),
        () => marketplace.createDepartment('sunrise', department),
        () => marketplace.change('sunrise', 'wangwei', { departmentCode: department.code }),
        () => marketplace.deleteDepartment('sunrise', department.code),
        () => marketplace.revoke('sunrise', 'wangwei'),
        () => marketplace.grant('sunrise', 'wangwei'),
        () => marketplace.release(orderId),
        () => marketplace.unbind('sunrise'),
        () => marketplace.bind({ name: '晨曦科技 Sunrise', code: 'sunrise' }),
      ]) answers.push(...await act())
      t.strictSame(said(answers).filter((line) => !line.endsWith(' 000000 verified')), [])
      t.ok(answers.length > 22)
      t.ok(answers.every((answer) => answer.generation === generation))
    })
  }

  t.test('test data, the second keys and a call that comes twice are taken, a foreign signature is not', async (t) => {
    marketplace.setGeneration('v2')
    const test = await marketplace.bind({ name: '调测 Debug', code: 'debug', isTest: true })
    t.strictSame(said(test).filter((line) => !line.endsWith(' 000000 verified')), [])
    await marketplace.setFault('rotatedKeys', 'on')
    t.match(await marketplace.grant('sunrise', 'lihua'), [{ resultCode: '000000', bodySign: 'verified' }])
    t.match(await marketplace.buy('bluesea'), [{ resultCode: '000000', bodySign: 'verified' }])
    await marketplace.resetFaults()
    await marketplace.setFault('doubled', 'on')
    const [first] = await marketplace.grant('sunrise', 'lihua')
    t.match(marketplace.state.pushes.slice(0, 2), [{ text: first!.text, isSuccess: true }, { text: first!.text, isSuccess: true, fault: 'doubled' }])
    await marketplace.resetFaults()
    await marketplace.setFault('badSignatures', 'on')
    t.match(await marketplace.grant('sunrise', 'lihua'), [{ httpStatus: 200, resultCode: '000001' }])
  })
})
