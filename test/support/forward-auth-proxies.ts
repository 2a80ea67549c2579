import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export type Fields = readonly (readonly [name: string, value: string])[]

/** What a client sends to a proxy. */
export interface Asked { readonly method?: string, readonly target: string, readonly host: string, readonly headers?: Fields }

export interface Question { readonly method: string, readonly target: string, readonly headers: Fields }

const readConfiguration = (name: string): string => readFileSync(new URL(`../../docs/forward-auth/${name}`, import.meta.url), 'utf8')

const isNamed = (names: readonly string[]) => ([name]: Fields[number]): boolean => names.includes(name.toLowerCase())
export const isNotNamed = (names: readonly string[]) => (field: Fields[number]): boolean => !isNamed(names)(field)
const hopByHop = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-connection']

/** The names under which nginx's question has a value of nginx's own, or none. */
const setByNginx = [...readConfiguration('nginx.conf').split('\n    location')[0]?.matchAll(/proxy_set_header (\S+)/g) ?? []]
  .map(([, name = '']) => name.toLowerCase())
const askedByHaproxy = [...readConfiguration('jointgate.lua').split('}')[0]?.matchAll(/"([a-z-]+)"/g) ?? []].map(([, name = '']) => name)

interface Pattern { readonly exact?: string, readonly prefix?: string }

function allowedByEnvoy (): (field: Fields[number]) => boolean {
  const patterns: Pattern[] = []
  const look = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'allowed_headers') patterns.push(...(value as { patterns: Pattern[] }).patterns)
      else look(value)
    }
  }
  look(parse(readConfiguration('envoy.yaml')))
  return ([name]) => patterns.some(({ exact, prefix }) => {
    return name.toLowerCase() === exact || (prefix !== undefined && name.toLowerCase().startsWith(prefix))
  })
}
const isAllowedByEnvoy = allowedByEnvoy()

export const original = ({ method = 'GET', target, host }: Asked): Fields => [
  ['x-original-method', method], ['x-original-proto', 'http'], ['x-original-host', host], ['x-original-uri', target],
]
export const forwarded = ({ method = 'GET', target, host }: Asked): Fields => [
  ['x-forwarded-method', method], ['x-forwarded-proto', 'http'], ['x-forwarded-host', host], ['x-forwarded-uri', target],
  ['x-forwarded-for', '192.0.2.1'],
]
const forwardedNames = forwarded({ target: '', host: '' }).map(([name]) => name)

/** What each proxy makes of it: what it overwrites, what it lets through. By the configurations in docs, and by the proxies' manuals. */
export const proxies: Readonly<Record<string, (asked: Asked) => Question>> = {
  nginx: (asked) => ({
    method: 'GET',
    target: '/_gate/verify',
    headers: [
      ...asked.headers?.filter(isNotNamed([...setByNginx, ...hopByHop])).filter(([name]) => /^[\dA-Za-z-]+$/.test(name)) ?? [],
      ['host', asked.host], ...original(asked), ['x-forwarded-for', '192.0.2.1'],
    ],
  }),
  caddy: (asked) => ({
    method: 'GET',
    target: '/_gate/verify',
    headers: [
      ...asked.headers?.filter(isNotNamed(['host', ...hopByHop, ...forwardedNames])).filter(([name]) => !/^x-original-/i.test(name)) ?? [],
      ['host', asked.host], ...forwarded(asked),
    ],
  }),
  traefik: (asked) => ({
    method: 'GET',
    target: '/_gate/verify',
    headers: [...asked.headers?.filter(isNotNamed(['host', ...hopByHop, ...forwardedNames])) ?? [], ['host', 'gateway'], ...forwarded(asked)],
  }),
  envoy: (asked) => ({
    method: asked.method ?? 'GET',
    target: `/_gate/verify${asked.target}`,
    headers: [...asked.headers?.filter(isAllowedByEnvoy) ?? [], ['host', asked.host], ['content-length', '0'], ['x-forwarded-for', '192.0.2.1']],
  }),
  haproxy: (asked) => ({
    method: 'GET',
    target: '/_gate/verify',
    headers: [
      ...asked.headers?.filter(isNamed([...askedByHaproxy, 'cookie'])) ?? [], ['host', 'gateway'], ...original(asked), ['x-forwarded-for', '192.0.2.1'],
    ],
  }),
}
