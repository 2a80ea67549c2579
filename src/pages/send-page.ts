import type { FastifyReply } from 'fastify'

/** A page ready to go out, with the headers that it must not go without. */
export interface Page {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/** Returns the reply, for handlers that end with `return sendPage(…)`. */
export function sendPage (reply: FastifyReply, status: number, page: Page): FastifyReply {
  return reply.code(status).headers(page.headers).send(page.html)
}
