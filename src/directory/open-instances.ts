import type { AccessView } from './access-view.ts'
import { decideAccess, newestFirst, type AccessDecision, type AccessRules } from './decide-access.ts'
import type { Instance } from './instance.ts'
import type { AccessLevel, InstanceId, Role, Tenant } from './model.ts'

/** A purchase that lets the account in, with what a person tells it from others by. */
export interface OpenInstance {
  readonly instanceId: InstanceId
  readonly tenant: Tenant
  readonly role: Role
  readonly access: AccessLevel
  /** Absent if no newInstance has told of it. */
  readonly instance?: Instance
}

type EntryRules = Omit<AccessRules, 'chosen'>

/**
 * The purchases that the account may enter by (多实例绑定), the newest first. The seller's credential stage, before anything was
 * bought, is none as soon as there is another.
 */
export function listOpenInstances (view: AccessView, rules: EntryRules): OpenInstance[] {
  const open = newestFirst(view.accounts).flatMap(({ instanceId }): OpenInstance[] => {
    const decision = decideAccess(view, { ...rules, chosen: instanceId })
    const tenant = view.tenants.find((row) => row.instanceId === instanceId)
    if (decision.kind === 'refuse' || tenant === undefined) return []
    const instance = view.instances.find((row) => row.instanceId === instanceId)
    const { role, access } = decision.principal
    return [{ instanceId, tenant, role, access, ...(instance === undefined ? {} : { instance }) }]
  })
  return open.length === 1 ? open : open.filter(({ instanceId }) => instanceId !== '')
}

export interface Entry {
  readonly decision: AccessDecision
  /** Neither the callback nor userinfo says which purchase the person means (`login.md` §3.2): of several they choose. */
  readonly mustChoose: boolean
}

/** Who signs in, and by which purchase as far as there is only one. */
export function decideEntry (view: AccessView, rules: EntryRules): Entry {
  const open = listOpenInstances(view, rules)
  const chosen = open.length === 1 ? open[0]?.instanceId : undefined
  return { decision: decideAccess(view, { ...rules, chosen }), mustChoose: open.length > 1 }
}
