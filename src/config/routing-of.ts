import { createRouteTable, type FindRoute } from '../forward/route-table.ts'
import type { UpstreamAddress } from '../forward/upstreams/upstream-address.ts'
import { upstreamLists } from '../forward/upstreams/upstreams.ts'
import type { Config } from './load-config.ts'

export interface Routing {
  readonly findRoute: FindRoute
  readonly upstreamLists: readonly (readonly UpstreamAddress[])[]
  readonly rewriteLocation: boolean
}

/** Where requests go. */
export function routingOf ({ application, routes, upstream: { rewriteLocation } }: Config): Routing {
  const defaults = { upstream: application.upstream, timeoutSeconds: application.upstreamTimeoutSeconds }
  return { findRoute: createRouteTable(routes, defaults), upstreamLists: upstreamLists(defaults, ...routes), rewriteLocation }
}
