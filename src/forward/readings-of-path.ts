/** Who decodes more often than this finds a path that nobody asked for; what is encoded more often is refused. */
const mostDecodings = 3

/**
 * The path as it stands, decoded, decoded again …, or `undefined` if that takes too long to end. What can't be decoded stays, as most
 * servers do it, so that one broken percent hides nothing that stands beside it.
 */
function decodingsOf (path: string): string[] | undefined {
  const texts = [path]
  for (let text = path; text.includes('%');) {
    const decoded = decode(text)
    if (decoded === text) break
    if (texts.length > mostDecodings) return undefined
    texts.push(decoded)
    text = decoded
  }
  return texts
}

/** Byte by byte, since a client chooses how long this takes. `%u0061` is what `escape` writes and IIS reads. */
function decode (text: string): string {
  const bytes = Buffer.from(text)
  let length = 0
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0
    const isWide = byte === percent && ((bytes[at + 1] ?? 0) | 0x20) === letterU
    const code = byte === percent ? hexAt(bytes, isWide ? at + 2 : at + 1, isWide ? 4 : 2) : -1
    if (code === -1) {
      bytes[length++] = byte
      at++
    } else if (isWide) {
      length += bytes.write(String.fromCharCode(code), length)
      at += 6
    } else {
      bytes[length++] = code
      at += 3
    }
  }
  return bytes.toString('utf8', 0, length)
}

const percent = 0x25
const letterU = 0x75

/** What so many hexadecimal digits stand for; -1 if one of them is none. */
function hexAt (bytes: Buffer, from: number, digits: number): number {
  let code = 0
  for (let at = from; at < from + digits; at++) {
    const byte = bytes[at] ?? 0
    const letter = byte | 0x20
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
    if (digit === -1) return -1
    code = code * 16 + digit
  }
  return code
}

/**
 * The first segments that the most forgiving application finds in a path: without regard to case, accents, full width and signs that
 * nobody sees; `\` is a slash; parameters (servlet containers) and what follows a decoded `?` or `#` are cut off; empty segments are passed
 * over.
 */
export function segmentsOf (text: string, most = Infinity): string[] {
  const folded = fold(text)
  const segments: string[] = []
  for (let from = 0; from <= folded.length && segments.length < most;) {
    const slash = folded.indexOf('/', from)
    const end = slash === -1 ? folded.length : slash
    const segment = nameOf(folded.slice(from, end))
    if (segment !== '') segments.push(segment)
    from = end + 1
  }
  return segments
}

function nameOf (segment: string): string {
  const end = segment.search(/[;?#]/)
  return (end === -1 ? segment : segment.slice(0, end)).trim()
}

/** To upper case and back, since applications compare in either: `ı` is `I` in one of them and stays itself in the other. */
function fold (text: string): string {
  const plain = /^[\0-\x7f]*$/.test(text) ? text : text.normalize('NFKD').replace(/[\p{M}\p{DI}]/gu, '').toUpperCase()
  return plain.toLowerCase().replaceAll('\\', '/')
}

/** What an application may take the path for, each as its first segments. */
export function readingsOfPath (path: string, most: number): string[][] {
  return (decodingsOf(path) ?? [path]).map((text) => segmentsOf(text, most))
}

/**
 * Whether a reading is under a rule's. A segment may go on with anything but a letter, a digit, `_` or `-`: `/admin.json`, `/admin~` and
 * `/admin%20` are served as `/admin` by some, `/admin-tools` by nobody.
 */
export function isReadUnder (reading: readonly string[], rule: readonly string[]): boolean {
  return rule.every((name, index) => {
    const segment = reading[index]
    return segment === name || (segment?.startsWith(name) === true && !/^[\p{L}\p{N}_-]/u.test(segment.slice(name.length)))
  })
}

/** Whether a path is one of small letters, digits, `_` and `-`, which has no reading but itself. */
export function isSimple (path: string): boolean {
  return /^[a-z\d/_-]*$/.test(path)
}

/**
 * Whether every server finds the same segments in the path: nothing is encoded twice, there are no parameters, and no sign that some take
 * for `/`, `\`, `%`, `;`, `?` or `#`.
 */
export function isPlain (path: string): boolean {
  if (!/[%;]/.test(path)) return true
  const folded = fold(decode(path))
  return !/[%;?#]/.test(folded) && folded.split('/').length === path.split('/').length
}

/** A dot segment of a folded path, also with what is cut off, and with what Windows takes for a name's stream. */
const dotSegment = /\/\s*\.{1,2}\s*(?:[/;:?#]|$)/

/** Whether a reading holds what no accepted path holds as it stands: control characters and dot segments (T-05). */
export function isHiding (path: string): boolean {
  const texts = decodingsOf(path)
  return texts === undefined || texts.some((text) => /\p{Cc}/u.test(text) || dotSegment.test(fold(text)))
}
