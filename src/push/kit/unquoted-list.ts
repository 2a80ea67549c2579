import { setImmediate } from 'node:timers/promises'
import { decodeString, endOfString } from '../signature/json-tokens.ts'
import { sliceLength } from './list-text.ts'

/** A department in the words of the text; what is missing in it the schema says. */
export type UnquotedDepartment = Partial<Record<'orgCode' | 'orgName' | 'parentCode', string>>

const canonicalNames = new Map<string, keyof UnquotedDepartment>([
  ['orgCode', 'orgCode'], ['orgName', 'orgName'], ['OrgName', 'orgName'], ['name', 'orgName'], ['parentCode', 'parentCode'],
])

/**
 * Reads `[{orgCode:00000001,orgName:产品部,parentCode:}]`, as the marketplace's page prints a list of departments (sync.md §1.6).
 *
 * Nothing is escaped there, so a department's name may look like the end of its member. Only a text with one reading is taken: no
 * name but the known ones and none twice, in a bare value nothing that means something elsewhere in the text, no `null` (a word or
 * no value?). No list in JSON reads so: there the names stand in quotes.
 *
 * @returns `undefined` if the text has no reading, or may have two
 */
export async function readUnquotedList (text: string): Promise<UnquotedDepartment[] | undefined> {
  const departments: UnquotedDepartment[] = []
  const scanner = new Scanner(text)
  if (!scanner.take('[')) return undefined
  do {
    const department = scanner.take('{') ? readDepartment(scanner) : undefined
    if (department === undefined) return undefined
    departments.push(department)
    if (departments.length % sliceLength === 0) await setImmediate()
  } while (scanner.take(','))
  return scanner.take(']') && scanner.isAtEnd() ? departments : undefined
}

function readDepartment (scanner: Scanner): UnquotedDepartment | undefined {
  const department: UnquotedDepartment = {}
  do {
    const name = canonicalNames.get(scanner.word())
    if (name === undefined || department[name] !== undefined || !scanner.take(':')) return undefined
    const value = scanner.value()
    if (value === undefined) return undefined
    department[name] = value
  } while (scanner.take(','))
  return scanner.take('}') ? department : undefined
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  /** Passes this sign and the blanks before it, if it comes next. */
  take (sign: string): boolean {
    this.#skipBlanks()
    if (this.#text[this.#at] !== sign) return false
    this.#at += 1
    return true
  }

  isAtEnd (): boolean {
    this.#skipBlanks()
    return this.#at === this.#text.length
  }

  word (): string {
    this.#skipBlanks()
    const start = this.#at
    while (/[A-Za-z]/.test(this.#text.charAt(this.#at))) this.#at += 1
    return this.#text.slice(start, this.#at)
  }

  /** In quotes as in JSON, or bare up to the next sign; `undefined` if it may be either or neither. */
  value (): string | undefined {
    this.#skipBlanks()
    return this.#text[this.#at] === '"' ? this.#quoted() : this.#bare()
  }

  #quoted (): string | undefined {
    const start = this.#at
    const { end } = endOfString(this.#text, start)
    if (end === -1) return undefined
    this.#at = end
    return decodeString(this.#text.slice(start, end))
  }

  #bare (): string | undefined {
    // eslint-disable-next-line no-control-regex -- control characters end a bare value like any other sign
    const sign = /["'`\\[\]{},:\u0000-\u001f]/g
    sign.lastIndex = this.#at
    const end = sign.exec(this.#text)?.index ?? this.#text.length
    const value = this.#text.slice(this.#at, end).trim()
    this.#at = end
    return /^(?:null|true|false)$/.test(value) || /\p{Surrogate}/u.test(value) ? undefined : value
  }

  #skipBlanks (): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'end')) this.#at += 1
  }
}
