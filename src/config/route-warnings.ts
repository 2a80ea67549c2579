import { createRouteTable, type FindRoute, type Route, type RouteRule } from '../forward/route-table.ts'

interface Surroundings {
  readonly prefix: string
  readonly publicUrl: string
}

type Claim = readonly [says: (rule: RouteRule) => boolean, holds: (route: Route, rule: RouteRule) => boolean, what: string]

/** What a rule promises about its own path, and whether it is so when all rules are heard: the strictest wins. */
const claims: readonly Claim[] = [
  [({ access }) => access === 'public', ({ access }) => access === 'public', 'opens it to everybody'],
  [({ roles }) => roles !== undefined && roles.length > 0, ({ roles }, rule) => rule.roles?.every((role) => roles?.includes(role)) === true, 'names roles for it'],
  [({ access }) => access !== 'nobody', ({ access }) => access !== 'nobody', 'is for somebody'],
  [({ preflight }) => preflight === true, ({ preflight }) => preflight, 'lets preflights pass'],
  [({ accessToken }) => accessToken === true, ({ accessToken }) => accessToken, 'passes on the access token'],
]

/** Rules that are allowed but hardly meant, in sentences for the operator. */
export function routeWarnings (rules: readonly RouteRule[], { prefix, publicUrl }: Surroundings): string[] {
  const warnings: string[] = []
  rules.forEach((rule, index) => {
    const name = `routes[${index}] (${rule.host ?? ''}${rule.path})`
    if (`${rule.path}/`.startsWith(`${prefix}/`)) {
      warnings.push(`${name} is about the gateway's own addresses, which no rule reaches.`)
      return
    }
    const loss = lossOf(rules, index)
    if (loss !== undefined) warnings.push(`${name} ${loss.what}, but routes[${loss.by}] is stricter and wins.`)
    if (rule.roles?.length === 0) warnings.push(`${name} has an empty list of roles: nobody may come. If that is meant, write access: nobody.`)
    if (rule.roles?.includes('user') === true && !rule.roles.includes('admin')) {
      warnings.push(`${name} is for the role user alone: administrators are kept out. Write [admin, user] for both.`)
    }
    if (rule.path === '/' && rule.host === undefined && rule.access === 'public') {
      warnings.push(`${name} opens the whole application: what is not closed by another rule is open to everybody.`)
    }
    const isForeign = rule.host !== undefined && rule.host !== new URL(publicUrl).hostname
    if (isForeign && rule.access !== 'nobody' && rules.every(({ host, access }) => host !== rule.host || access !== 'public')) {
      warnings.push(`${name}: sessions belong to ${new URL(publicUrl).hostname}, so at another host only public paths answer, and this one has none.`)
    }
  })
  return warnings
}

/** Which other rule undoes what a rule says of its own path, the first of them. */
function lossOf (rules: readonly RouteRule[], index: number): { what: string, by: number } | undefined {
  const rule = rules[index]
  if (rule === undefined) return undefined
  const routeBy = (...those: RouteRule[]): Route => tableOf(those)(rule.host, rule.path)
  const [, holds, what] = claims.find(([says, isSo]) => says(rule) && !isSo(routeBy(...rules), rule)) ?? []
  if (holds === undefined || what === undefined) return undefined
  // Alone or together with some: the first one whose hearing makes the difference.
  const by = rules.findIndex((_, last) => !holds(routeBy(rule, ...rules.slice(0, last + 1)), rule))
  return { what, by }
}

function tableOf (rules: readonly RouteRule[]): FindRoute {
  return createRouteTable(rules, { upstream: [], timeoutSeconds: 1 })
}
