import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { faults } from '../base/coded-errors.ts'
import { isHiding } from './readings-of-path.ts'

/** Whose a request target is; `ambiguous` ones are answered with 400 and read no further. */
export type Judgement = 'own' | 'upstream' | 'ambiguous'

/** A backslash is a slash to some, `#` ends the target for some, and every server does something else with raw bytes (T-03, T-05). */
const forbidden = /[^\x21-\x7e]|[\\#]/
/** Encoded control bytes, `#`, `/` and `\`: they change their meaning for a server that decodes before it splits. */
const forbiddenEncoded = /%(?:[01][0-9a-f]|7f|23|2f|5c)/i
/** `.` and `..`, plain or encoded, also with what some cut off before they resolve: path parameters (`..;x`), streams (`..:x`). */
const dotSegment = /\/(?:\.|%2e){1,2}(?:[/;:]|%3[ab]|$)/i

/**
 * Judges a raw request target (RFC 9112 §3.2). What passes can be read in one way only, so that the path which a rule sees is,
 * byte for byte, the path which the upstream gets (C-39).
 *
 * Ambiguous are absolute, authority and asterisk form, empty and dot segments, `\`, `#`, control bytes and raw non-ASCII anywhere,
 * a path that isn't percent-encoded UTF-8 (so overlong forms of `/` and `.` too), and another spelling of the gateway's own
 * prefix (`/%5fgate`): the router would decode it to ours while the upstream may read it as its own. Upper and lower case differ, so
 * `/_GATE` is the upstream's. The query is only looked at for forbidden bytes. Dot segments and control bytes are also found where only
 * a forgiving server sees them: encoded twice or thrice, in full width, before an encoded `?` (`isHiding`).
 */
export function judgeTarget (target: string, ownPrefix: string): Judgement {
  if (target.charCodeAt(0) !== 47 || forbidden.test(target)) return 'ambiguous'
  const path = pathOf(target)
  if (path.includes('//') || dotSegment.test(path)) return 'ambiguous'
  const isOwn = isOwnPath(path, ownPrefix)
  if (!path.includes('%')) return isOwn ? 'own' : 'upstream'
  const decoded = forbiddenEncoded.test(path) ? undefined : decodePath(path)
  if (decoded === undefined || isOwnPath(decoded, ownPrefix) !== isOwn || isHiding(path)) return 'ambiguous'
  return isOwn ? 'own' : 'upstream'
}

/** Whether a path (without query) is the gateway's own, spelled exactly. */
export function isOwnPath (path: string, ownPrefix: string): boolean {
  return path.startsWith(ownPrefix) && (path.length === ownPrefix.length || path.charCodeAt(ownPrefix.length) === 47)
}

/** The part of a request target that precedes the query. */
export function pathOf (target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

function decodePath (path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    // Malformed percent, or bytes that are no UTF-8: both are read differently by different servers.
    return undefined
  }
}

/**
 * Refuses ambiguous targets with `GW_REQUEST_PATH_AMBIGUOUS` before any route of ours or any rule runs. Register it before all
 * routes. Fastify routes by a decoded path of its own making; since no accepted target changes its owner by decoding, the
 * router can't disagree with the judgement.
 */
export const canonicalPath = fp<{ ownPrefix: string }>(async function canonicalPath (app, { ownPrefix }) {
  app.addHook('onRequest', (request, _reply, done) => {
    done(judgeTarget(request.raw.url ?? '', ownPrefix) === 'ambiguous' ? new faults.PathAmbiguous() : undefined)
  })
} satisfies FastifyPluginAsync<{ ownPrefix: string }>, { name: 'canonical-path', fastify: '5.x' })
