import type { FastifyReply, FastifyRequest } from 'fastify'
import { Exchange, type Outcome } from './exchange.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import type { LiveStream } from './live-streams.ts'

/**
 * Sends the request to the upstream, its target byte for byte, and streams both bodies as fast as the slower side takes them. An upgrade
 * that the upstream takes becomes a tunnel; what else it says to one is a response like any other.
 *
 * Resolves once the reply is out of Fastify's hands: when the response began, or when the client has gone; with `session-ended` nothing was
 * answered yet. Rejects with `GW_UPSTREAM_UNREACHABLE`, `…_LOST`, `…_TIMEOUT` or `GW_REQUEST_STALLED` while an error can still be answered.
 * A response that breaks later is broken off for the client too: it must never look whole (T-41), and so is one whose session ends before
 * it. Nothing is sent twice.
 *
 * @param headers flat, names and values in turn
 * @param session whose request it is; `undefined` on a public path
 */
export function dispatch (
  options: ExchangeOptions, request: FastifyRequest, reply: FastifyReply, headers: string[], session: LiveStream['session'],
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const exchange = new Exchange({ request, reply, session, options, resolve, reject })
    if (reply.raw.destroyed) return exchange.clientHasGone()
    reply.raw.on('close', () => exchange.clientHasGone())
    exchange.begin(headers)
  })
}
