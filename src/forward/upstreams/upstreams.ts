import { startHealthChecks } from './health-checks.ts'
import { nameOfUpstream, type UpstreamAddress } from './upstream-address.ts'
import { createUpstreamGroup, type UpstreamGroup } from './upstream-group.ts'
import { UpstreamServer, type UpstreamOptions } from './upstream-server.ts'

interface NamesServers { readonly upstream: readonly UpstreamAddress[] | undefined }

/** All lists of servers in a configuration: the application's own, and those of rules. */
export function upstreamLists (...areas: readonly NamesServers[]): (readonly UpstreamAddress[])[] {
  return areas.flatMap(({ upstream }) => upstream === undefined ? [] : [upstream])
}

/** The groups of all routes. */
export interface Upstreams {
  /** The same group for the same list: lists come from the configuration and live as long as this. */
  groupOf (addresses: readonly UpstreamAddress[]): UpstreamGroup
  destroy (): Promise<void>
}

/**
 * A server that several lists name is one: its connections, its load and what is known of it are shared.
 *
 * @param lists whose servers are there from the start, and checked
 * @throws TypeError if an address is more than an origin
 */
export function openUpstreams (lists: readonly (readonly UpstreamAddress[])[], options: UpstreamOptions): Upstreams {
  const servers = new Map<string, UpstreamServer>()
  const groups = new Map<readonly UpstreamAddress[], UpstreamGroup>()
  for (const list of lists) {
    const inIt = new Set(list.map((address) => {
      const name = nameOfUpstream(address)
      const server = servers.get(name) ?? new UpstreamServer(address, options)
      servers.set(name, server)
      return server
    }))
    groups.set(list, createUpstreamGroup([...inIt], options))
  }
  const { healthPath } = options
  const stops = healthPath === undefined ? [] : [...servers.values()].map((server) => startHealthChecks(server, healthPath, options))
  return {
    groupOf (addresses) {
      const group = groups.get(addresses)
      if (group === undefined) throw new TypeError('a list of upstreams that was not there at the start')
      return group
    },
    async destroy () {
      for (const stop of stops) stop()
      await Promise.all([...servers.values()].map((server) => server.destroy()))
    },
  }
}
