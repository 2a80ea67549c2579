import { METHODS, type IncomingMessage } from 'node:http'

/** The request that a reverse proxy has got and asks about, as the proxy tells it. */
export interface DescribedRequest {
  readonly method: string
  /** `undefined` where the proxy doesn't say (Envoy). */
  readonly scheme: string | undefined
  readonly host: string
  /** Path and query, raw. */
  readonly target: string
}

/** Why nothing can be said about a request; a literal for the log. */
export type Undescribed = 'description-missing' | 'description-ambiguous' | 'description-incomplete'

/**
 * What a proxy writes. nginx's and HAProxy's configuration is ours and names the headers itself; `x-forwarded-…` are what Traefik and
 * Caddy send. Which of the two it is, say method and target: scheme and host also stand in requests that nobody describes.
 */
const manners = ['x-original', 'x-forwarded'] as const

/**
 * A description must be the only one and whole. A second one is the client's: a proxy overwrites what it sends itself, and lets the
 * rest through (T-01, T-18). One that a client could complete is none.
 *
 * @param verifyPath our address; what stands behind it is the described target, as Envoy sends it (`path_prefix`)
 */
export function describedRequest (request: IncomingMessage, verifyPath: string): DescribedRequest | Undescribed {
  const { url = '', method = '' } = request
  const headers = toldBy(request)
  const told = manners.filter((manner) => headers.has(`${manner}-uri`) || headers.has(`${manner}-method`))
  const isByPath = url.startsWith(`${verifyPath}/`)
  if (told.length + Number(isByPath) > 1) return 'description-ambiguous'
  if (isByPath) return byPath(headers, method, url.slice(verifyPath.length))
  const [manner] = told
  return manner === undefined ? 'description-missing' : byHeaders(headers, manner)
}

function byPath (headers: Told, method: string, target: string): DescribedRequest | Undescribed {
  const host = onlyValue(headers, 'host')
  if (host === undefined) return 'description-incomplete'
  return { method, scheme: undefined, host, target }
}

function byHeaders (headers: Told, manner: typeof manners[number]): DescribedRequest | Undescribed {
  const [method, scheme, host, target] = ['method', 'proto', 'host', 'uri'].map((name) => onlyValue(headers, `${manner}-${name}`))
  if (method === undefined || scheme === undefined || host === undefined || target === undefined) return 'description-incomplete'
  return METHODS.includes(method) ? { method, scheme, host, target } : 'description-incomplete'
}

/** Values by name, each as often as it came: node would join them. */
type Told = ReadonlyMap<string, readonly string[]>

function toldBy ({ rawHeaders }: IncomingMessage): Told {
  const told = new Map<string, string[]>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    told.set(name, [...told.get(name) ?? [], rawHeaders[index + 1] ?? ''])
  }
  return told
}

/** A name that came twice has no value: one of the two is not the proxy's. */
function onlyValue (headers: Told, name: string): string | undefined {
  const [value, ...others] = headers.get(name) ?? []
  return others.length === 0 && value !== '' ? value : undefined
}
