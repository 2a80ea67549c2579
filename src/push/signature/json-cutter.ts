import type { JsonCut, JsonFault } from './json-cut.ts'
import { decodeString, endOfNumber, endOfString, printJacksonNumber, printJacksonString } from './json-tokens.ts'

// Beyond these a text is refused unread (C-55). The documented bodies have three levels, and 5000 users 100 000 values.
const maximumDepth = 64
const maximumValues = 500_000
/** In one object. To sort many more takes seconds, and whoever signs nothing may ask for it; the documented ones have twenty. */
const maximumNames = 1_000

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Leaves the cutter from any depth; `cut-json.ts` makes a value of it. */
export class Unreadable extends Error {
  readonly because: JsonFault

  constructor (because: JsonFault) {
    super(because)
    this.because = because
  }
}

/** An open array or object; of an object, where in `pieces` each member starts, by name in the order of first appearance. */
interface Frame {
  readonly members: Map<string, number> | undefined
  readonly starts: number[]
  /** Whether the members may have to change places: then each is a piece of its own. */
  readonly isTracked: boolean
  isEmpty: boolean
  hasDuplicate: boolean
}

/** Reads a JSON text step by step; see `cutJson`. */
export class JsonCutter {
  readonly #text: string
  readonly #sortsNested: boolean
  #pieces: string[] = []
  #frames: Frame[] = []
  // Nested members are copied in long stretches until a name that comes twice asks for more care.
  #tracksNested: boolean
  #at = 0
  // The stretch of the text that was taken as it is and not yet copied.
  #runStart = 0
  #runEnd = 0
  #hasDuplicateNames = false
  #values = 0
  #top: Frame | undefined

  constructor (text: string, sortsNested: boolean) {
    this.#text = text
    this.#sortsNested = this.#tracksNested = sortsNested
  }

  /** Takes so many steps; returns whether the text is at its end. */
  proceed (steps: number): boolean {
    if (this.#top === undefined) this.#begin()
    for (let left = steps; left > 0; left--) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) return true
      this.#step(frame)
    }
    return this.#frames.length === 0
  }

  #begin (): void {
    this.#skipBlanks()
    if (this.#code() !== openBrace) throw new Unreadable('not-json-object')
    this.#open()
    this.#top = this.#frames[0]
  }

  result (): JsonCut {
    this.#skipBlanks()
    if (this.#at !== this.#text.length) throw new Unreadable('not-json-object')
    const top = this.#top!
    const members = new Map(Array.from(top.members!, ([name, index]) => {
      const member = this.#memberPieces(top, index).join('')
      return [name, member.slice(printJacksonString(name).length + 1)]
    }))
    return { kind: 'cut', members, hasDuplicateNames: this.#hasDuplicateNames }
  }

  /** One element, one member or the end of the innermost open container. */
  #step (frame: Frame): void {
    this.#skipBlanks()
    const isClosing = this.#code() === (frame.members === undefined ? closeBracket : closeBrace)
    if (isClosing) return this.#close(frame)
    if (!frame.isEmpty) {
      if (this.#code() !== comma) throw new Unreadable('not-json-object')
      // Between members the comma is a piece of its own, so that members can change places around it.
      if (frame.isTracked) this.#flush()
      this.#keep(1)
      this.#skipBlanks()
    }
    frame.isEmpty = false
    if (frame.members === undefined || this.#name(frame, frame.members)) this.#value()
  }

  /** Returns whether the value is next; if not, all begins anew. */
  #name (frame: Frame, members: Map<string, number>): boolean {
    if (frame.isTracked) {
      this.#flush()
      frame.starts.push(this.#pieces.length)
    }
    const name = this.#string()
    if (members.has(name)) {
      if (!frame.isTracked) return this.#beginWithCare()
      this.#hasDuplicateNames = frame.hasDuplicate = true
    }
    // A Map keeps the first place and takes the last value, as Jackson's LinkedHashMap does.
    members.set(name, frame.starts.length - 1)
    if (Math.max(frame.starts.length, members.size) > maximumNames) throw new Unreadable('too-complex')
    this.#skipBlanks()
    if (this.#code() !== colon) throw new Unreadable('not-json-object')
    this.#keep(1)
    this.#skipBlanks()
    return true
  }

  #beginWithCare (): false {
    this.#tracksNested = true
    this.#pieces = []
    this.#frames = []
    this.#at = this.#runStart = this.#runEnd = this.#values = 0
    this.#begin()
    return false
  }

  #value (): void {
    this.#values += 1
    if (this.#values > maximumValues) throw new Unreadable('too-complex')
    switch (this.#code()) {
      case openBrace: case openBracket: return this.#open()
      case quote: this.#string(); return
      case 0x74: return this.#literal('true')
      case 0x66: return this.#literal('false')
      case 0x6e: return this.#literal('null')
      default: return this.#number()
    }
  }

  #open (): void {
    if (this.#frames.length === maximumDepth) throw new Unreadable('too-complex')
    const members = this.#code() === openBrace ? new Map<string, number>() : undefined
    this.#keep(1)
    const isTracked = members !== undefined && (this.#tracksNested || this.#frames.length === 0)
    this.#frames.push({ members, starts: [], isTracked, isEmpty: true, hasDuplicate: false })
  }

  #close (frame: Frame): void {
    if (frame.isTracked) this.#flush()
    this.#frames.pop()
    const isNested = this.#frames.length > 0
    if (isNested && frame.members !== undefined && (this.#sortsNested || frame.hasDuplicate)) this.#rearrange(frame, frame.members)
    if (isNested) this.#keep(1)
    else this.#at += 1
    // The pieces of the top-level members end where the last one does.
    if (!isNested) frame.starts.push(this.#pieces.length + 1)
  }

  /** Writes the members of the object that just ended anew: each name once, sorted if asked for. */
  #rearrange (frame: Frame, members: Map<string, number>): void {
    const [start] = frame.starts
    if (start === undefined) return
    frame.starts.push(this.#pieces.length + 1)
    const names = [...members.keys()]
    if (this.#sortsNested) names.sort()
    // Joined, or each level would move all the pieces of the levels below it again.
    const rearranged = names.map((name) => this.#memberPieces(frame, members.get(name)!).join('')).join(',')
    this.#pieces.length = start
    this.#pieces.push(rearranged)
  }

  /** The pieces between a member's start and the comma before the next start. */
  #memberPieces (frame: Frame, index: number): string[] {
    return this.#pieces.slice(frame.starts[index], frame.starts[index + 1]! - 1)
  }

  /** Takes a string and returns what it says. */
  #string (): string {
    if (this.#code() !== quote) throw new Unreadable('not-json-object')
    const start = this.#at
    const { end, hasEscapes } = endOfString(this.#text, start)
    if (end === -1) throw new Unreadable('not-json-object')
    if (!hasEscapes) {
      this.#keep(end - start)
      return this.#text.slice(start + 1, end - 1)
    }
    const value = decodeString(this.#text.slice(start, end))
    if (value === undefined) throw new Unreadable('not-json-object')
    this.#put(printJacksonString(value), end)
    return value
  }

  #number (): void {
    const { end, isInteger } = endOfNumber(this.#text, this.#at)
    if (end === -1) throw new Unreadable('not-json-object')
    const length = end - this.#at
    const isPrintedAsItIs = isInteger && !(length === 2 && this.#text.startsWith('-0', this.#at))
    if (isPrintedAsItIs || this.#frames.length === 1) this.#keep(length)
    else this.#put(printJacksonNumber(this.#text.slice(this.#at, end)), end)
  }

  #code (): number {
    return this.#text.charCodeAt(this.#at)
  }

  #literal (word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw new Unreadable('not-json-object')
    this.#keep(word.length)
  }

  #skipBlanks (): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at += 1
    }
  }

  /** Takes the next `length` characters as they are. */
  #keep (length: number): void {
    if (this.#runEnd !== this.#at) {
      this.#flush()
      this.#runStart = this.#at
    }
    this.#at += length
    this.#runEnd = this.#at
  }

  /** Takes `written` for the characters up to `end`. */
  #put (written: string, end: number): void {
    this.#flush()
    this.#pieces.push(written)
    this.#at = end
  }

  #flush (): void {
    if (this.#runEnd > this.#runStart) this.#pieces.push(this.#text.slice(this.#runStart, this.#runEnd))
    this.#runStart = this.#runEnd
  }
}
