import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Fastify knows the usual methods, applications use all that node can parse (WebDAV). */
export function allowEveryMethod (app: FastifyInstance): string[] {
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  for (const method of methods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }
  return methods
}
