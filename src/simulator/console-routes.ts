import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Buyer } from './buyer.ts'
import { BuyerMistake } from './buyer-mistake.ts'
import { registerContractForms, type Act } from './console-contract-routes.ts'
import { buildConsoleModel } from './console-model.ts'
import type { FaultDesk } from './fault-desk.ts'
import type { MarketplaceOptions } from './marketplace-options.ts'
import type { MarketplaceState } from './marketplace-state.ts'
import type { Views } from './views.ts'

interface ConsoleParts {
  readonly state: MarketplaceState
  readonly options: MarketplaceOptions
  readonly views: Views
  readonly buyer: Buyer
  readonly faultDesk: FaultDesk
}

const trimmed = z.string().trim()
const role = z.enum(['user', 'admin'])
const enterpriseForm = z.object({ name: trimmed, code: trimmed, isTest: z.literal('yes').optional() })
const memberForm = z.object({ userName: trimmed, name: trimmed, role, departmentCode: trimmed, isGranted: z.literal('yes').optional() })
const changeForm = z.object({ name: trimmed, role, departmentCode: trimmed })

interface MemberRoute { Params: { code: string, userName: string } }
interface EnterpriseRoute { Params: { code: string } }

/** The buyer console: plain forms, each a POST that changes the enterprise, pushes, and comes back to the page. */
export function registerBuyerConsole (app: FastifyInstance, parts: ConsoleParts): void {
  const { state, buyer, faultDesk } = parts

  app.get('/', (_request, reply) => showConsole(parts, reply, 200, ''))

  const act: Act = async (reply, anchor, action) => {
    try {
      await action()
      return reply.redirect(`/#${anchor}`, 303)
    } catch (error) {
      if (error instanceof BuyerMistake) return showConsole(parts, reply, 400, error.message)
      if (error instanceof z.ZodError) return showConsole(parts, reply, 400, 'the form is incomplete')
      throw error
    }
  }
  registerContractForms(app, act, buyer, faultDesk)

  app.post('/enterprises', (request, reply) => act(reply, 'pushes', () => {
    const { isTest, ...enterprise } = enterpriseForm.parse(request.body)
    return buyer.bind({ ...enterprise, isTest: isTest === 'yes' })
  }))

  app.post<EnterpriseRoute>('/enterprises/:code/bind', (request, reply) => act(reply, request.params.code, () => {
    const { code } = request.params
    return buyer.bind({ code, name: state.enterprises.get(code)?.name ?? '' })
  }))

  app.post<EnterpriseRoute>('/enterprises/:code/unbind', (request, reply) =>
    act(reply, request.params.code, () => buyer.unbind(request.params.code)))
  registerMemberForms(app, act, buyer)
}

function registerMemberForms (app: FastifyInstance, act: Act, buyer: Buyer): void {
  app.post<EnterpriseRoute>('/enterprises/:code/members', (request, reply) => act(reply, request.params.code, async () => {
    const { isGranted, ...member } = memberForm.parse(request.body)
    buyer.addMember(request.params.code, member)
    if (isGranted === 'yes') await buyer.grant(request.params.code, member.userName)
  }))

  const memberAction = (name: string, action: (code: string, userName: string, body: unknown) => unknown): void => {
    app.post<MemberRoute>(`/enterprises/:code/members/:userName/${name}`, (request, reply) => {
      const { code, userName } = request.params
      return act(reply, code, () => action(code, userName, request.body))
    })
  }
  memberAction('grant', (code, userName) => buyer.grant(code, userName))
  memberAction('change', (code, userName, body) => buyer.change(code, userName, changeForm.parse(body)))
  memberAction('disable', (code, userName) => buyer.change(code, userName, { isEnabled: false }))
  memberAction('enable', (code, userName) => buyer.change(code, userName, { isEnabled: true }))
  memberAction('revoke', (code, userName) => buyer.revoke(code, userName))
  memberAction('remove', (code, userName) => buyer.remove(code, userName))
}

function showConsole ({ state, options, views }: ConsoleParts, reply: FastifyReply, status: number, mistake: string): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(views('console', buildConsoleModel(state, options, mistake)))
}
