import type { Config } from '../config/load-config.ts'
import { routingOf } from '../config/routing-of.ts'
import { nearestFirst, type Route } from '../forward/route-table.ts'
import { nameOfUpstream } from '../forward/upstreams/upstream-address.ts'
import { alignColumns } from './print-lines.ts'

/**
 * Who may come to the path of each rule and where it leads, one line a rule, the nearest rule first: what holds there when all rules
 * are heard, since the strictest wins. The last line is for every path without a rule.
 */
export function describeRoutes (config: Config): string[] {
  const { routes } = config
  const { findRoute } = routingOf(config)
  const rows = nearestFirst(routes).map((rule) => {
    return [`routes[${routes.indexOf(rule)}]`, `${rule.host ?? ''}${rule.path}`, ...cellsOf(findRoute(rule.host, rule.path))]
  })
  const hasRuleForAll = routes.some(({ host, path }) => host === undefined && path === '/')
  const rest = hasRuleForAll ? [] : [['no rule', rows.length === 0 ? 'every path' : 'every other path', ...cellsOf(findRoute(undefined, '/'))]]
  return alignColumns([...rows, ...rest])
}

function cellsOf (route: Route): string[] {
  const { upstream, timeoutSeconds, preflight, accessToken } = route
  if (isClosed(route)) return [whoMayCome(route), '', '', '']
  const extras = [...(preflight ? ['preflights pass'] : []), ...(accessToken ? ['gets the access token'] : [])]
  return [whoMayCome(route), `to ${upstream.map(nameOfUpstream).join(', ')}`, `within ${timeoutSeconds} s`, extras.join(', ')]
}

const isClosed = ({ access, roles }: Route): boolean => access === 'nobody' || roles?.length === 0

function whoMayCome (route: Route): string {
  if (isClosed(route)) return 'nobody'
  if (route.access === 'public') return 'public'
  return route.roles === undefined ? 'signed-in' : `role ${route.roles.join(', ')}`
}
