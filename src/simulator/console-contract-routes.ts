import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Buyer } from './buyer.ts'
import { BuyerMistake } from './buyer-mistake.ts'
import type { FaultDesk } from './fault-desk.ts'
import { isFaultName, parseFault } from './faults.ts'
import { scenes } from './instance-calls.ts'

const trimmed = z.string().trim()
const instanceForm = z.object({ isTrial: z.literal('yes').optional() })
const sceneForm = z.object({ scene: z.enum(scenes) })
const freezeForm = z.object({ because: z.enum(['expired', 'violation']) })
const departmentForm = z.object({ code: trimmed, name: trimmed, parentCode: trimmed })
const renameForm = z.object({ name: trimmed })
const moveForm = z.object({ parentCode: trimmed })
const generationForm = z.object({ generation: z.enum(['v1', 'v2']) })
const faultForm = z.object({ value: trimmed })
const callNumber = z.coerce.number().int()

/** Runs an action and returns to its place on the page; a mistake is shown above the page. */
export type Act = (reply: FastifyReply, anchor: string, action: () => unknown) => Promise<FastifyReply>

interface EnterpriseRoute { Params: { code: string } }
interface DepartmentRoute { Params: { code: string, departmentCode: string } }
interface InstanceRoute { Params: { code: string, orderId: string } }

/** The console's forms for what stands behind the members: instances, departments, and the marketplace's own faults. */
export function registerContractForms (app: FastifyInstance, act: Act, buyer: Buyer, faultDesk: FaultDesk): void {
  registerInstanceForms(app, act, buyer)
  registerDepartmentForms(app, act, buyer)
  registerFaultForms(app, act, faultDesk)
}

function registerInstanceForms (app: FastifyInstance, act: Act, buyer: Buyer): void {
  app.post<EnterpriseRoute>('/enterprises/:code/instances', (request, reply) => act(reply, request.params.code, () =>
    buyer.buy(request.params.code, { isTrial: instanceForm.parse(request.body ?? {}).isTrial === 'yes' })))

  const instanceAction = (name: string, action: (orderId: string, body: unknown) => unknown): void => {
    app.post<InstanceRoute>(`/enterprises/:code/instances/:orderId/${name}`, (request, reply) => {
      const { orderId } = request.params
      return act(reply, orderId, () => action(orderId, request.body))
    })
  }
  instanceAction('bind', (orderId) => buyer.bindInstance(orderId))
  instanceAction('details', (orderId) => buyer.openDetails(orderId))
  instanceAction('renew', (orderId, body) => buyer.renew(orderId, sceneForm.parse(body).scene))
  instanceAction('freeze', (orderId, body) => buyer.freeze(orderId, freezeForm.parse(body).because))
  instanceAction('unfreeze', (orderId) => buyer.unfreeze(orderId))
  instanceAction('upgrade', (orderId) => buyer.upgrade(orderId))
  instanceAction('notify', (orderId) => buyer.notifyOrder(orderId))
  instanceAction('retry', (orderId) => buyer.retryNow(orderId))
  instanceAction('cancel', (orderId) => buyer.release(orderId, 'cancelled'))
  instanceAction('end-freeze', (orderId) => buyer.release(orderId, 'freeze-ended'))
}

function registerDepartmentForms (app: FastifyInstance, act: Act, buyer: Buyer): void {
  // Inside what is folded away: a browser opens it to show the anchor.
  const anchorOf = (code: string): string => `${code}-departments`

  app.post<EnterpriseRoute>('/enterprises/:code/departments', (request, reply) => {
    const { code } = request.params
    return act(reply, anchorOf(code), () => buyer.createDepartment(code, departmentForm.parse(request.body)))
  })
  app.post<EnterpriseRoute>('/enterprises/:code/all-departments', (request, reply) => {
    const { code } = request.params
    return act(reply, anchorOf(code), () => buyer.sendDepartments(code))
  })

  const departmentAction = (name: string, action: (code: string, departmentCode: string, body: unknown) => unknown): void => {
    app.post<DepartmentRoute>(`/enterprises/:code/departments/:departmentCode/${name}`, (request, reply) => {
      const { code, departmentCode } = request.params
      return act(reply, anchorOf(code), () => action(code, departmentCode, request.body))
    })
  }
  departmentAction('rename', (code, departmentCode, body) => buyer.renameDepartment(code, departmentCode, renameForm.parse(body).name))
  departmentAction('move', (code, departmentCode, body) => buyer.moveDepartment(code, departmentCode, moveForm.parse(body).parentCode))
  departmentAction('delete', (code, departmentCode) => buyer.deleteDepartment(code, departmentCode))
}

function registerFaultForms (app: FastifyInstance, act: Act, faultDesk: FaultDesk): void {
  app.post<{ Params: { name: string } }>('/faults/:name', (request, reply) => act(reply, 'faults', () => {
    const { name } = request.params
    if (!isFaultName(name)) throw new BuyerMistake(`there is no switch ${name}`)
    const { value } = faultForm.parse(request.body)
    const parsed = parseFault(name, value)
    if (parsed === undefined) throw new BuyerMistake(`the switch ${name} has no value ${value}`)
    return faultDesk.setFault(name, parsed)
  }))
  app.post('/reset-faults', (_request, reply) => act(reply, 'faults', () => faultDesk.resetFaults()))
  app.post('/generation', (request, reply) => act(reply, 'faults', () => {
    faultDesk.setGeneration(generationForm.parse(request.body).generation)
  }))
  app.post<{ Params: { number: string } }>('/pushes/:number/replay', (request, reply) => act(reply, 'pushes', () =>
    faultDesk.replay(callNumber.parse(request.params.number))))
}
