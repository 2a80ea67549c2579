interface Options { keepsNulls?: boolean, sortsAllLevels?: boolean }

type Tree = { print: string } | { items: Tree[] } | { members: Map<string, Tree> }

/**
 * The canonical text by the book (sync.md §3.5), as a tree that is built by regular expressions and printed by recursion. Slow and
 * trusting: for valid JSON objects only. The oracle for `canonicalJson`, written without a look at it.
 */
export function slowCanonicalJson (text: string, { keepsNulls = false, sortsAllLevels = false }: Options): string {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gs) ?? []
  const top = build(tokens)
  if (!('members' in top)) throw new TypeError('no object')
  const members = [...top.members].filter(([, value]) => keepsNulls || !('print' in value) || value.print !== 'null')
  return print({ members: new Map(members.sort(byName)) }, sortsAllLevels)
}

function build (tokens: string[]): Tree {
  const token = tokens.shift() ?? ''
  if (token === '[') {
    const items: Tree[] = []
    while (tokens[0] !== ']') {
      if (tokens[0] === ',') tokens.shift()
      items.push(build(tokens))
    }
    tokens.shift()
    return { items }
  }
  if (token === '{') {
    const members = new Map<string, Tree>()
    while (tokens[0] !== '}') {
      if (tokens[0] === ',') tokens.shift()
      const name = JSON.parse(tokens.shift() ?? '') as string
      tokens.shift()
      members.set(name, build(tokens))
    }
    tokens.shift()
    return { members }
  }
  if (token.startsWith('"')) return { print: printString(JSON.parse(token) as string) }
  if (/^-?\d+$/.test(token)) return { print: BigInt(token).toString() }
  return { print: /^[-\d]/.test(token) ? printDouble(Number(token)) : token }
}

function print (tree: Tree, sorts: boolean): string {
  if ('print' in tree) return tree.print
  if ('items' in tree) return `[${tree.items.map((item) => print(item, sorts)).join(',')}]`
  const members = sorts ? [...tree.members].sort(byName) : [...tree.members]
  return `{${members.map(([name, value]) => `${printString(name)}:${print(value, sorts)}`).join(',')}}`
}

function byName ([a]: [string, Tree], [b]: [string, Tree]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return a.charCodeAt(at) - b.charCodeAt(at)
  }
  return a.length - b.length
}

function printString (value: string): string {
  const printed = Array.from(value, (character) => {
    const known = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' }[character]
    const code = character.codePointAt(0)!
    return known ?? (code < 32 ? `\\u00${code < 16 ? '0' : '1'}${'0123456789ABCDEF'[code % 16]}` : character)
  })
  return `"${printed.join('')}"`
}

/** `Double.toString` by moving the point through the digits that JavaScript prints. */
function printDouble (value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  if (Math.abs(value) === Number.MIN_VALUE) return value < 0 ? '-4.9E-324' : '4.9E-324'
  const [, sign = '', whole = '', fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const leadingZeros = /^0*/.exec(whole + fraction)![0].length
  const digits = (whole + fraction).slice(leadingZeros).replace(/0+$/, '')
  // The value is 0.DIGITS times ten to the `point`.
  const point = whole.length - leadingZeros + Number(power)
  if (point > 7 || point < -2) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${point - 1}`
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return `${sign}${digits.slice(0, point).padEnd(point, '0')}.${digits.slice(point) || '0'}`
}
