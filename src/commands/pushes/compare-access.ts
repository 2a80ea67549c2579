import type { AccessView } from '../../directory/access-view.ts'
import type { ContractRules } from '../../directory/contract.ts'
import { decideAccess, type AccessDecision } from '../../directory/decide-access.ts'
import type { Instance } from '../../directory/instance.ts'
import type { Account, AppId, ClientBinding, Tenant, TenantId, UserName } from '../../directory/model.ts'
import type { Rows } from './collect-rows.ts'

export interface AccessQuestion {
  /** Epoch ms. */
  readonly now: number
  readonly contract: ContractRules
}

export interface AccessChange {
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly userName: UserName
  /** `signs-in-again`: still let in, but sessions that live now end. `changes`: another level, or another reason for the no. */
  readonly verdict: 'loses' | 'gains' | 'signs-in-again' | 'changes'
  /** `full`, `read-only`, or the reason of the refusal. */
  readonly before: string
  readonly after: string
}

/** For which accounts of these tenants the door would open, close or change. */
export function compareAccess (before: Rows, after: Rows, tenants: ReadonlySet<TenantId>, question: AccessQuestion): AccessChange[] {
  const [viewBefore, viewAfter] = [createViews(before), createViews(after)]
  const accounts = new Map([...before, ...after].filter(([, { key }]) => key[0] === 'account' && tenants.has(key[2] as TenantId))
    .map(([, { key }]) => [JSON.stringify(key.slice(2, 5)), key.slice(2, 5) as [TenantId, AppId, UserName]]))
  return [...accounts.values()].flatMap(([tenantId, appId, userName]) => {
    const was = decideAccess(viewBefore(tenantId, appId, userName), question)
    const is = decideAccess(viewAfter(tenantId, appId, userName), question)
    const verdict = judge(was, is)
    return verdict === undefined ? [] : [{ tenantId, appId, userName, verdict, before: levelOf(was), after: levelOf(is) }]
  })
}

function judge (was: AccessDecision, is: AccessDecision): AccessChange['verdict'] | undefined {
  if (was.kind === 'allow' && is.kind === 'refuse') return 'loses'
  if (was.kind === 'refuse' && is.kind === 'allow') return 'gains'
  if (was.kind === 'allow' && is.kind === 'allow' && is.lastLoss > was.lastLoss) return 'signs-in-again'
  return levelOf(was) === levelOf(is) ? undefined : 'changes'
}

const levelOf = (decision: AccessDecision): string => decision.kind === 'allow' ? decision.principal.access : decision.reason

/** Rows of one realm, found by the beginning of their key as a store finds them. */
function createViews (rows: Rows): (tenantId: TenantId, appId: AppId, userName: UserName) => AccessView {
  const byOwner = new Map<string, unknown[]>()
  for (const { key: [kind, , ...rest], row } of rows.values()) {
    const owner = JSON.stringify([kind, ...kind === 'instance' ? rest : rest.slice(0, -1)])
    const owned = byOwner.get(owner)
    if (owned === undefined) byOwner.set(owner, [row])
    else owned.push(row)
  }
  const under = <Row>(...owner: string[]): Row[] => (byOwner.get(JSON.stringify(owner)) ?? []) as Row[]
  return (tenantId, appId, userName) => {
    const tenants = under<Tenant>('tenant', tenantId)
    return {
      tenantId,
      appId,
      tenants,
      bindings: under<ClientBinding>('binding', tenantId, appId),
      accounts: under<Account>('account', tenantId, appId, userName),
      instances: [...new Set(tenants.map(({ instanceId }) => instanceId))].flatMap((instanceId) => under<Instance>('instance', instanceId)),
    }
  }
}
