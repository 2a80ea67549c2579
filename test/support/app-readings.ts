import { posix } from 'node:path'

/** What some application makes of a path that it is asked for. Written down from how they do it, not from how the gateway guesses. */
type App = (path: string) => string

const decodeOnce: App = (path) => decodeURIComponent(path)
/** As Python's `unquote`, PHP's `rawurldecode` and many more: what is no escape stays. */
const unquote: App = (path) => path.replace(/(?:%[\da-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
const unquoteTwice: App = (path) => unquote(unquote(path))
const unquoteThrice: App = (path) => unquote(unquoteTwice(path))
const normalise: App = (path) => posix.normalize(path)
const cutParameters: App = (path) => path.split('/').map((segment) => segment.split(';')[0]).join('/')
const cutQuery: App = (path) => path.split(/[?#]/)[0] ?? ''
const slashes: App = (path) => path.replaceAll('\\', '/')
const windowsNames: App = (path) => path.split('/').map((name) => (/^\.+$/.test(name) ? name : name.replace(/[. ]+$/, '').replace(/:.*$/, ''))).join('/')
const whatwg: App = (path) => new URL(`http://app${path.startsWith('/') ? path : `/${path}`}`).pathname
const format: App = (path) => path.replace(/\.[^/.]+(?=\/?$)/, '')
const firstSlash: App = (path) => path.replace(/^[/\\]+/, '/')

function chain (...apps: App[]): App {
  return (path) => apps.reduce((text, app) => app(text), path)
}

/** By the habit that makes them read paths so. */
const apps: Readonly<Record<string, App>> = {
  'node, as it stands': (path) => path,
  'Express, Koa': decodeOnce,
  'Go, nginx: decoded, cleaned': chain(decodeOnce, normalise),
  'Tomcat: parameters off, decoded, cleaned': chain(cutParameters, decodeOnce, normalise),
  'decoded, then parameters off': chain(decodeOnce, cutParameters, normalise),
  'a rewriting proxy in front: decoded twice': chain(unquoteTwice, normalise),
  'decoded twice, then parameters off': chain(unquoteTwice, cutParameters, normalise),
  'three hops that decode': chain(unquoteThrice, normalise),
  'three hops on Windows': chain(unquoteThrice, slashes, windowsNames, normalise),
  'Windows: backslash, dots and blanks at the end': chain(unquote, slashes, windowsNames, normalise),
  'IIS behind a decoding proxy': chain(unquoteTwice, slashes, windowsNames, normalise),
  'a URL parser (WHATWG)': chain(whatwg, decodeOnce),
  'decoded, then a URL parser': chain(unquote, firstSlash, whatwg, unquote),
  'decoded twice, then a URL parser': chain(unquoteTwice, firstSlash, whatwg, unquote),
  'query cut after decoding': chain(decodeOnce, cutQuery, normalise),
  'C: ends at NUL after two decodings': chain(unquoteTwice, (path) => path.split('\0')[0] ?? '', normalise),
  'Rails, Spring: format at the end': chain(decodeOnce, normalise, format),
  'full width folded (NFKC)': chain(decodeOnce, (path) => path.normalize('NFKC'), slashes, normalise),
  'full width folded, parameters off': chain(unquoteTwice, (path) => path.normalize('NFKC'), cutParameters, cutQuery, normalise),
  'compared in upper case': chain(decodeOnce, (path) => path.toUpperCase()),
  'signs nobody sees taken off': chain(decodeOnce, (path) => path.replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, ''), normalise),
  'blanks taken off': chain(decodeOnce, (path) => path.split('/').map((name) => name.trim()).join('/'), normalise),
}

/** The applications that would take the path for one in an area, whatever its case. */
export function appsThatReadUnder (area: string, path: string): string[] {
  return Object.keys(apps).filter((name) => isUnder(readBy(name, path), area))
}

/** The applications that would find something outside the area. */
export function appsThatReadOutside (area: string, path: string): string[] {
  return Object.keys(apps).filter((name) => !isUnder(readBy(name, path), area))
}

function readBy (name: string, path: string): string {
  try {
    return apps[name]?.(path) ?? ''
  } catch {
    // Such an application answers with an error.
    return path
  }
}

function isUnder (reading: string, area: string): boolean {
  const text = reading.toLowerCase()
  return text === area || text.startsWith(`${area}/`)
}
