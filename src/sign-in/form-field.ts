import type { FastifyRequest } from 'fastify'

/** A query or form value that came once; a repeated one is a list and counts as none. */
export function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A field of the form that was sent. */
export function fieldOf ({ body }: FastifyRequest, name: string): string | undefined {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? textOf((body as Record<string, unknown>)[name]) : undefined
}
