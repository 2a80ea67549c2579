import type { Role } from '../directory/model.ts'
import { isPlain, isReadUnder, isSimple, readingsOfPath, segmentsOf } from './readings-of-path.ts'
import type { UpstreamAddress } from './upstreams/upstream-address.ts'

/** One rule about a part of the application, as the operator wrote it. */
export interface RouteRule {
  /** A host that the rule is about, in small letters and without a port; `undefined`: all. */
  readonly host: string | undefined
  /** A literal prefix of the path that ends where a segment ends: `/admin` is about `/admin` and `/admin/users`, not `/administer`. */
  readonly path: string
  /** `public`: without a session and without an identity. `nobody`: as if it were not there. `undefined`: the rule says nothing of it. */
  readonly access: Access | undefined
  /** Who may come, of those who are signed in; an empty list: nobody. `undefined`: all. */
  readonly roles: readonly Role[] | undefined
  /** Whether a browser's preflight (CORS) passes without a session and without an identity (C-50). */
  readonly preflight: boolean | undefined
  /** Other servers than the application's. */
  readonly upstream: readonly UpstreamAddress[] | undefined
  readonly timeoutSeconds: number | undefined
  /** Whether the upstream gets the session's access token. */
  readonly accessToken: boolean | undefined
}

export type Access = 'signed-in' | 'public' | 'nobody'

/** What holds for one request. */
export interface Route {
  readonly access: Access
  readonly roles: readonly Role[] | undefined
  readonly preflight: boolean
  readonly upstream: readonly UpstreamAddress[]
  readonly timeoutSeconds: number
  readonly accessToken: boolean
}

export interface RouteDefaults {
  readonly upstream: readonly UpstreamAddress[]
  readonly timeoutSeconds: number
}

/**
 * @param host as the client sent it
 * @param path without query, as the client sent it; judged by `canonical-path`
 */
export type FindRoute = (host: string | undefined, path: string) => Route

/** Clients choose paths, so what is remembered about them must have an end. */
const mostKnownMatches = 1_000

/**
 * Who may go where, and to which servers. Of all rules that are about a request the strictest decides (C-40): `nobody` beats roles, of
 * several lists of roles only those in all of them, `signed-in` beats `public`, `false` beats `true`; without a rule it is `signed-in`
 * and `false`. Where it goes and how long it may take is said by the rule with the longest path that says anything of it, one with a
 * host first.
 *
 * Rules that open and rules that close read a path differently (T-05). One that opens is about the path byte for byte, and only where
 * every server finds the same segments in it. One that closes is also about each spelling that some application would read as the same
 * path (`readings-of-path`).
 *
 * Routes that say the same are the same object, and there are as few as the rules make.
 */
export function createRouteTable (rules: readonly RouteRule[], defaults: RouteDefaults): FindRoute {
  const sorted = nearestFirst(rules)
  const prepared = sorted.map((rule) => ({ rule, segments: segmentsOf(rule.path) }))
  const areSimple = rules.every(({ path }) => isSimple(path) && !(path.length > 1 && path.endsWith('/')))
  const mostSegments = Math.max(...prepared.map(({ segments }) => segments.length))
  const lists = [defaults, ...rules].map(({ upstream }) => upstream)
  const routes = new Map<string, Route>()
  const routesByMatches = new Map<string, Route>()

  function keep (route: Route): Route {
    const key = JSON.stringify({ ...route, upstream: lists.indexOf(route.upstream) })
    const kept = routes.get(key) ?? route
    routes.set(key, kept)
    return kept
  }

  function routeOf (matches: readonly Match[]): Route {
    const key = matches.join('')
    let route = routesByMatches.get(key)
    if (route === undefined) {
      const upTo = (most: Match): RouteRule[] => sorted.filter((_, index) => (matches[index] ?? none) <= most)
      route = keep(putTogether({ opening: upTo(plain), leading: upTo(literal), closing: upTo(reading) }, defaults))
      if (routesByMatches.size >= mostKnownMatches) routesByMatches.clear()
      routesByMatches.set(key, route)
    }
    return route
  }

  const unruled = routeOf(prepared.map(() => none))

  return function findRoute (host, path) {
    if (prepared.length === 0) return unruled
    const name = canonicalHost(host)
    // Most paths are simple, and most rules: then what stands there is all there is.
    const readings = isSimple(path) && areSimple ? [] : readingsOfPath(path, mostSegments)
    const asItStands = isPlain(path) ? plain : literal
    return routeOf(prepared.map(({ rule, segments }) => {
      if (rule.host !== undefined && rule.host !== name) return none
      if (isUnder(path, rule.path)) return asItStands
      return readings.some((candidate) => isReadUnder(candidate, segments)) ? reading : none
    }))
  }
}

/** The order in which rules are judged: those with a host, then by length of path. */
export function nearestFirst (rules: readonly RouteRule[]): RouteRule[] {
  const hasHost = ({ host }: RouteRule): number => Number(host !== undefined)
  return [...rules].sort((a, b) => hasHost(b) - hasHost(a) || b.path.length - a.path.length)
}

/** How a rule is about a path: as it stands, and nobody reads it otherwise; as it stands; in another reading; not at all. */
type Match = 0 | 1 | 2 | 3
const plain = 0
const literal = 1
const reading = 2
const none = 3

/** Rules by what they may say about a path, the nearest first. */
interface Matching {
  readonly opening: readonly RouteRule[]
  readonly leading: readonly RouteRule[]
  readonly closing: readonly RouteRule[]
}

function putTogether (matching: Matching, defaults: RouteDefaults): Route {
  const { leading, closing } = matching
  const lists = closing.flatMap(({ roles }) => roles === undefined ? [] : [roles])
  const roles = lists.length === 0 ? undefined : lists.reduce((left, right) => left.filter((role) => right.includes(role)))
  return {
    access: accessOf(matching, roles !== undefined),
    roles,
    preflight: isSwitchedOn(matching, 'preflight'),
    accessToken: isSwitchedOn(matching, 'accessToken'),
    upstream: leading.find(({ upstream }) => upstream !== undefined)?.upstream ?? defaults.upstream,
    timeoutSeconds: leading.find(({ timeoutSeconds }) => timeoutSeconds !== undefined)?.timeoutSeconds ?? defaults.timeoutSeconds,
  }
}

function accessOf ({ opening, closing }: Matching, hasRoles: boolean): Access {
  if (closing.some(({ access }) => access === 'nobody')) return 'nobody'
  if (hasRoles || closing.some(({ access }) => access === 'signed-in')) return 'signed-in'
  return opening.some(({ access }) => access === 'public') ? 'public' : 'signed-in'
}

function isSwitchedOn ({ opening, closing }: Matching, key: 'preflight' | 'accessToken'): boolean {
  return opening.some((rule) => rule[key] === true) && !closing.some((rule) => rule[key] === false)
}

/** Whether the prefix ends where a segment of the path does. */
function isUnder (path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return prefix.endsWith('/') || path.length === prefix.length || path.charCodeAt(prefix.length) === 47
}

/** `App.Example.com.:8080` is `app.example.com` (T-18). */
export function canonicalHost (host: string | undefined): string | undefined {
  return host?.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
