import { printJavaDouble } from './java-double.ts'

/** Where the string that starts at `start` (its opening quote) ends, behind the closing quote; -1 if it isn't one. */
export function endOfString (text: string, start: number): { end: number, hasEscapes: boolean } {
  let hasEscapes = false
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return { end: at + 1, hasEscapes }
    if (code < 0x20) break
    if (code === 0x5c) {
      hasEscapes = true
      at += 1
    }
  }
  return { end: -1, hasEscapes }
}

/** Where the number that starts at `start` ends, -1 if none does (RFC 8259 §6: no leading zero, no bare point, no `+`). */
export function endOfNumber (text: string, start: number): { end: number, isInteger: boolean } {
  const first = text[start] === '-' ? start + 1 : start
  const wholeEnd = endOfDigits(text, first)
  if (wholeEnd === first || (text[first] === '0' && wholeEnd > first + 1)) return { end: -1, isInteger: false }
  let end = wholeEnd
  if (text[end] === '.') {
    end = endOfDigits(text, wholeEnd + 1)
    if (end === wholeEnd + 1) return { end: -1, isInteger: false }
  }
  if (text[end] === 'e' || text[end] === 'E') {
    const exponent = end + (text[end + 1] === '+' || text[end + 1] === '-' ? 2 : 1)
    end = endOfDigits(text, exponent)
    if (end === exponent) return { end: -1, isInteger: false }
  }
  return { end, isInteger: end === wholeEnd }
}

function endOfDigits (text: string, start: number): number {
  let at = start
  for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; code = text.charCodeAt(at)) at += 1
  return at
}

/** What a JSON string with escapes says; `undefined` for a bad escape or half a surrogate pair. */
export function decodeString (token: string): string | undefined {
  try {
    const value = JSON.parse(token) as string
    return /\p{Surrogate}/u.test(value) ? undefined : value
  } catch {
    // The engine's words about a bad escape are of no use to the marketplace.
    return undefined
  }
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r',
}

/** A string as Jackson writes it: only what must be escaped is, with capital hex digits (sync.md §3.5). */
export function printJacksonString (value: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must be escaped
  return '"' + value.replace(/["\\\u0000-\u001f]/g, escapeCharacter) + '"'
}

/** A number as Jackson writes it: an integer keeps its digits, all else becomes a double. */
export function printJacksonNumber (token: string): string {
  if (/[.eE]/.test(token)) return printJavaDouble(token)
  return token === '-0' ? '0' : token
}

function escapeCharacter (character: string): string {
  return shortEscapes[character] ?? '\\u' + character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
}
