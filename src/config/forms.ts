import { isIP } from 'node:net'
import { z } from 'zod'
import { isNetwork } from '../base/client-address.ts'
import { isLoopbackHost } from '../base/loopback-host.ts'

/** What a setting must be, in words that never repeat the value: it may be a secret in the wrong place. */
export class Complaint {
  readonly must: string

  constructor (must: string) {
    this.must = must
  }
}

/** A zod form from a parser that answers the value or the complaint. Variables bring text; the file may bring numbers and lists too. */
export function form<Value> (parse: (input: unknown) => Value | Complaint) {
  return z.unknown().transform((input, context): Value => {
    const result = input === undefined ? new Complaint('is missing') : parse(input)
    if (!(result instanceof Complaint)) return result
    context.issues.push({ code: 'custom', message: result.must, input: undefined })
    return z.NEVER
  })
}

export const booleanForm = form((input) => {
  if (input === true || input === 'true') return true
  if (input === false || input === 'false') return false
  return new Complaint('must be true or false')
})

export function choiceForm<const Choice extends string> (choices: readonly Choice[]) {
  return form((input) => choices.find((choice) => choice === input) ?? new Complaint(`must be one of ${choices.join(', ')}`))
}

export function integerForm (minimum: number, maximum: number) {
  return form((input) => {
    const number = typeof input === 'string' && /^\d{1,9}$/.test(input) ? Number(input) : input
    if (typeof number === 'number' && Number.isInteger(number) && number >= minimum && number <= maximum) return number
    return new Complaint(`must be a whole number from ${minimum} to ${maximum}`)
  })
}

/** Text that a page, a query or a form field may carry: no control characters, no blanks at the ends. */
export const textForm = form((input) => {
  const text = typeof input === 'number' ? String(input) : input
  // eslint-disable-next-line no-control-regex -- control characters are what this looks for
  if (typeof text !== 'string' || text.length > 256 || text.trim() !== text || text === '' || /[\u0000-\u001f\u007f]/.test(text)) {
    return new Complaint('must be text of 1 to 256 characters without line breaks')
  }
  return text
})

/** The same, or empty for none. */
export const optionalTextForm = form((input) => {
  if (input === '') return undefined
  return textForm.safeParse(input).data ?? new Complaint('must be text of 1 to 256 characters without line breaks')
})

export interface ListenAddress { readonly host: string, readonly port: number }

export const listenForm = form((input): ListenAddress | Complaint => {
  const parts = typeof input === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(input) : null
  const host = parts?.[1] ?? parts?.[2]
  const port = Number(parts?.[3])
  if (host === undefined || port > 65_535 || (parts?.[1] !== undefined && isIP(host) !== 6)) {
    return new Complaint('must be an address and a port such as 127.0.0.1:8080 or [::1]:8080')
  }
  return { host, port }
})

export const prefixForm = form((input) => {
  if (typeof input === 'string' && input.length <= 64 && /^(?:\/[A-Za-z0-9_-]+)+$/.test(input)) return input
  return new Complaint('must be a path such as /_gate: letters, digits, "_" and "-" behind each "/", no "/" at the end')
})

export function parseOrigin (input: unknown): URL | undefined {
  if (typeof input !== 'string' || !URL.canParse(input)) return undefined
  const url = new URL(input)
  // Comparing the text finds everything that the parser would drop silently: user info, a path, `?`, `#`, odd spellings.
  const isBare = input === url.origin || input === `${url.origin}/`
  return isBare && (url.protocol === 'https:' || url.protocol === 'http:') ? url : undefined
}

/**
 * The origin under which browsers reach the gateway. Redirect URIs are built from it alone, never from `Host` (C-6). Plain http is
 * for one's own machine only: elsewhere browsers drop `Secure` cookies that come over it.
 */
export function publicUrlForm (allowHttp: boolean) {
  return form((input) => {
    const url = parseOrigin(input)
    if (url?.protocol === 'https:' || (url !== undefined && allowHttp && isLoopbackHost(url.hostname))) return url.origin
    if (allowHttp) return new Complaint('must be an origin such as https://app.example.com, or http://127.0.0.1:8080 on a loopback address')
    return new Complaint('must be an https origin without path or query, such as https://app.example.com')
  })
}

/** An address of our own calls, query and all; empty means none. On one's own machine http will do. */
export function calledUrlForm (allowHttp: boolean) {
  return form((input) => {
    if (input === '') return undefined
    const url = typeof input === 'string' && !/\s/.test(input) && URL.canParse(input) ? new URL(input) : undefined
    const isPlain = url !== undefined && url.username === '' && url.password === '' && url.hash === ''
    if (isPlain && (url.protocol === 'https:' || (url.protocol === 'http:' && (allowHttp || isLoopbackHost(url.hostname))))) return url.href
    return new Complaint('must be an https address without user information or "#"; http is for a loopback address')
  })
}

/** Kept as text: the parameters belong behind the `#`, where a URL builder would not put them (`login.md` §1.1). */
export function unifiedLoginUrlForm (allowHttp: boolean) {
  return form((input) => {
    const isPlain = typeof input === 'string' && URL.canParse(input) && !/[?\s]/.test(input)
    const protocol = isPlain ? new URL(input).protocol : undefined
    if (isPlain && (protocol === 'https:' || (allowHttp && protocol === 'http:'))) return input
    return new Complaint('must be an https address without "?": the parameters are added behind it')
  })
}

/** Where a link on our own pages leads. Https, so that nobody on the way can lead the person somewhere else. */
export function linkForm (allowHttp: boolean) {
  return form((input) => {
    const url = typeof input === 'string' && input.length <= 1024 && !/\s/.test(input) && URL.canParse(input) ? new URL(input) : undefined
    const isBare = url !== undefined && url.username === '' && url.password === ''
    if (isBare && (url.protocol === 'https:' || (allowHttp && url.protocol === 'http:'))) return url.href
    return new Complaint('must be an https address such as https://shop.example.com/orders')
  })
}

/** The members of a comma list or of a YAML list, blanks and empty members dropped; `undefined` if it is neither. */
export function listOf (input: unknown): string[] | undefined {
  const members: unknown = typeof input === 'string' ? input.split(',') : input
  if (!Array.isArray(members) || !members.every((member) => typeof member === 'string')) return undefined
  return members.map((member) => member.trim()).filter((member) => member !== '')
}

const domain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export const domainSuffixesForm = form((input) => {
  const suffixes = listOf(input)?.map((suffix) => suffix.toLowerCase().replace(/^\*?\./, ''))
  if (suffixes?.every((suffix) => domain.test(suffix) && suffix.length <= 253) === true) return suffixes
  return new Complaint('must be a comma list of domain names such as tenantaccount.example')
})

/** Addresses and CIDR networks of proxies. Nobody can trust the whole Internet, so `/0` is refused. */
export const networksForm = form((input) => {
  const networks = listOf(input)
  if (networks?.every(isNetwork) === true) return networks
  return new Complaint('must be a comma list of addresses or networks such as 10.0.0.0/8 or 2001:db8::1, without /0')
})

/** A path behind the address of a tenant's authorization server; empty means none. */
export const serverPathForm = form((input) => {
  if (input === '') return undefined
  if (typeof input === 'string' && input.length <= 256 && /^(?:\/|(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+\/?)$/.test(input)) return input
  return new Complaint('must be a path such as /api/v1/oauth2/jwks: letters, digits, ".", "_", "~" and "-" behind each "/"')
})

/** As browsers spell an `Origin`, so that texts can be compared; `none` stands for clients that send none. */
export const webSocketOriginsForm = form((input) => {
  const origins = listOf(input)?.map((member) => (member === 'none' ? member : parseOrigin(member)?.origin))
  const isGood = origins?.every((origin) => origin !== undefined) === true
  return isGood ? origins : new Complaint('must be a comma list of origins such as https://shop.example.com, or none')
})
