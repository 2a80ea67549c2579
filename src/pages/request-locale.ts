import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { cookieAttributes, cookieNames, cookieValues } from '../session/cookies.ts'
import { chooseLocale, parseLocale, type Locale } from './choose-locale.ts'

const yearSeconds = 365 * 24 * 3600

/**
 * The language to answer a request in.
 *
 * @param query our own `lang` parameter as parsed, of any type; leave it out outside the prefix, where it belongs to the application
 */
export function requestLocale (headers: IncomingHttpHeaders, query?: unknown): Locale {
  return chooseLocale({
    query: typeof query === 'string' ? query : undefined,
    cookie: cookieValues(headers.cookie, cookieNames.language)[0],
    acceptLanguage: headers['accept-language'],
  })
}

/** Keeps a choice made by the language switch for later pages; does nothing if `query` is none. Needs @fastify/cookie. */
export function rememberLocale (reply: FastifyReply, query: unknown): void {
  const locale = typeof query === 'string' ? parseLocale(query) : undefined
  if (locale !== undefined) reply.setCookie(cookieNames.language, locale, { ...cookieAttributes, maxAge: yearSeconds })
}
