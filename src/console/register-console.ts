import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { countedAddress } from '../base/client-address.ts'
import { sha256 } from '../base/digest.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { loadAssets } from '../pages/load-assets.ts'
import { pageHeaders } from '../pages/page-headers.ts'
import { readView } from '../pages/read-view.ts'
import { requestLocale } from '../pages/request-locale.ts'
import { createConsolePage } from './console-page.ts'
import { isOwnHost } from './is-own-host.ts'
import { readStatus, type StatusDeps } from './read-status.ts'

export interface ConsoleDeps extends StatusDeps {
  /** The host that the operator listener was told to listen on. */
  readonly operatorHost: string
  readonly rateLimiter: RateLimiter
  /** Requests that one address may send in a minute. */
  readonly perAddress: number
}

/**
 * The operators' console on their own listener: a page at `/` and the same as JSON at `/api/status`. It only reads, shows nothing
 * personal, and asks for no login: who reaches the listener is an operator.
 */
export async function registerConsole (app: FastifyInstance, deps: ConsoleDeps): Promise<void> {
  const style = readView('console/console.css')
  const { icon } = loadAssets()
  const files = [
    { path: `/assets/console.${sha256(style).slice(0, 16)}.css`, type: 'text/css; charset=utf-8', body: style },
    { path: `/assets/${icon.fileName}`, type: icon.contentType, body: icon.body },
  ] as const
  const render = createConsolePage({ styleSheet: files[0].path, icon: files[1].path })

  await app.register(async (scope) => {
    // Health probes come by an address that we can't know, so only the console asks for the name.
    scope.addHook('onRequest', async (request, reply) => isOwnHost(request.headers.host, deps.operatorHost) ? undefined : misdirected(reply))

    // By the connection's own address: nobody stands between operators and their listener.
    scope.addHook('onRequest', async (request, reply) => {
      const verdict = await deps.rateLimiter.count('operator', countedAddress(request.ip), deps.perAddress)
      return verdict.kind === 'within' ? undefined : tooMany(reply, verdict.retryAfterSeconds)
    })

    scope.get('/', async (request: FastifyRequest<{ Querystring: { lang?: unknown } }>, reply) => {
      const locale = requestLocale(request.headers, request.query.lang)
      const headers = pageHeaders({ locale, isHttps: false, hasForm: false, formActions: [] })
      return reply.headers(headers).send(render(await readStatus(deps), locale))
    })
    scope.get('/api/status', async (_request, reply) =>
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' })
        .send(await readStatus(deps)))
    for (const { path, type, body } of files) {
      scope.get(path, async (_request, reply) => reply.headers({
        'content-type': type,
        'cache-control': 'public, max-age=31536000, immutable',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      }).send(body))
    }
  })
}

/** RFC 9110 §15.5.20. */
function misdirected (reply: FastifyReply): FastifyReply {
  return reply.code(421).type('text/plain; charset=utf-8').send('This name is not served here. Use 127.0.0.1 or localhost.\n')
}

function tooMany (reply: FastifyReply, retryAfterSeconds: number): FastifyReply {
  return reply.code(429).header('retry-after', String(retryAfterSeconds)).type('text/plain; charset=utf-8').send('Too many requests.\n')
}
