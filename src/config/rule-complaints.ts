import type { RouteRule } from '../forward/route-table.ts'
import { nameOfUpstream, type UpstreamAddress } from '../forward/upstreams/upstream-address.ts'

/** What is wrong with a rule, and where: its index, the key. */
export interface RuleComplaint {
  readonly path: readonly (number | keyof RouteRule)[]
  readonly must: string
}

/** What only shows when the keys of a rule, or the rules of a list, are read together: what is written would not be what happens. */
export function ruleComplaints (rules: readonly RouteRule[]): RuleComplaint[] {
  return rules.flatMap((rule, index) => [
    ...contradictionsOf(rule).map((complaint): RuleComplaint => ({ ...complaint, path: [index, ...complaint.path] })),
    ...repetitionOf(rules, rule, index),
  ])
}

const contents = ['access', 'roles', 'preflight', 'upstream', 'timeoutSeconds', 'accessToken'] as const

function contradictionsOf (rule: RouteRule): RuleComplaint[] {
  const said = contents.filter((key) => rule[key] !== undefined)
  if (said.length === 0) return [{ path: [], must: `says nothing of its path: add one of ${contents.join(', ')}` }]
  const others = said.filter((key) => key !== 'access')
  if (rule.access === 'nobody' && others.length > 0) {
    return [{ path: ['access'], must: `must not be nobody beside ${others.join(', ')}: whom nobody reaches needs none` }]
  }
  if (rule.access !== 'public') return []
  const contrary = others.filter((key) => key === 'roles' || (key === 'accessToken' && rule.accessToken === true))
  return contrary.map((key) => ({ path: ['access'], must: `must not be public beside ${key}, which is for who is signed in` }))
}

function repetitionOf (rules: readonly RouteRule[], { host, path }: RouteRule, index: number): RuleComplaint[] {
  const first = rules.findIndex((rule) => rule.host === host && rule.path === path)
  return first === index ? [] : [{ path: [index, 'path'], must: `must not be that of routes[${first}] again: put the two together` }]
}

/**
 * A client names any host it likes, so a rule that says by host who may come must lead to servers that no other name leads to. Otherwise
 * what it opens is open to everybody, and what it closes is reached by another name.
 */
export function hostComplaints (rules: readonly RouteRule[], application: readonly UpstreamAddress[]): RuleComplaint[] {
  return rules.flatMap((rule, index): RuleComplaint[] => {
    const { host, access, roles, preflight, accessToken } = rule
    if (host === undefined || [access, roles, preflight, accessToken].every((said) => said === undefined)) return []
    const elsewhere = rules.flatMap(({ host: other, upstream = [] }) => (other === host ? [] : upstream))
    const shared = new Set([...application, ...elsewhere].map(nameOfUpstream))
    const own = serversUnder(rules, rule)
    if (own !== undefined && !own.some((server) => shared.has(nameOfUpstream(server)))) return []
    return [{
      path: [index, 'host'],
      must: 'must have servers of its own (upstream) that no other host leads to: a client names any host it likes, so by the name alone nobody is kept out or let in',
    }]
  })
}

/** Where the rules of its host lead below a rule's path; `undefined` if not all of it. */
function serversUnder (rules: readonly RouteRule[], { host, path }: RouteRule): UpstreamAddress[] | undefined {
  const leading = rules.filter((rule) => rule.host === host && rule.upstream !== undefined)
  if (!leading.some((rule) => isPrefix(rule.path, path))) return undefined
  return leading.filter((rule) => isPrefix(rule.path, path) || isPrefix(path, rule.path)).flatMap(({ upstream = [] }) => upstream)
}

function isPrefix (prefix: string, path: string): boolean {
  return `${path}/`.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}
