import type { Socket } from 'node:net'
import { startRawUpstream } from './forward-gateway.ts'

export interface StrictRequest {
  readonly line: string
  /** Names in small letters and values, in turn. */
  readonly fields: readonly string[]
  readonly body: string
}

export interface StrictUpstream {
  readonly url: URL
  readonly requests: StrictRequest[]
  /** What no strict reader of RFC 9112 takes, with the reason. */
  readonly complaints: string[]
}

interface Test { teardown (run: () => unknown): void }

const headForm = /^([!#$%&'*+.^_`|~\w-]+ [\x21-\x7e]+ HTTP\/1\.1)\r\n((?:[!#$%&'*+.^_`|~\w-]+:[^\r\n\0]*\r\n)*)\r\n/

/** An upstream that reads by the letter and takes down what it can't read: what comes out of the gateway must leave no choice (T-24). */
export async function startStrictUpstream (t: Test): Promise<StrictUpstream> {
  const requests: StrictRequest[] = []
  const complaints: string[] = []
  const url = await startRawUpstream(t, (socket: Socket) => {
    let bytes = ''
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
      for (;;) {
        const read = readRequest(bytes)
        if (read === undefined) return
        if (typeof read === 'string') {
          complaints.push(`${read}: ${JSON.stringify(bytes.slice(0, 400))}`)
          socket.destroy()
          return
        }
        bytes = bytes.slice(read.length)
        requests.push(read.request)
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      }
    })
  })
  return { url, requests, complaints }
}

/** One request and how long it is, `undefined` if it isn't all there, or what is wrong with it. */
function readRequest (bytes: string): { request: StrictRequest, length: number } | string | undefined {
  if (!bytes.includes('\r\n\r\n')) return /[\0\n]/.test(bytes.replaceAll('\r\n', '')) ? 'a bare line feed or NUL' : undefined
  const [head, line = '', fieldLines = ''] = headForm.exec(bytes) ?? []
  if (head === undefined) return 'no head'
  const fields = fieldLines.split('\r\n').slice(0, -1).flatMap((field) => {
    const colon = field.indexOf(':')
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
  })
  const framing = fields.flatMap((name, index) => index % 2 === 0 && isFraming(name) ? [[name, fields[index + 1] ?? ''] as const] : [])
  if (framing.length > 1) return 'framed twice'
  const [name, value = ''] = framing[0] ?? []
  const body = name === undefined ? { text: '', length: 0 } : name === 'content-length' ? readSized(bytes, head.length, value) : readChunked(bytes, head.length, name, value)
  if (body === undefined || typeof body === 'string') return body
  return { request: { line, fields, body: body.text }, length: head.length + body.length }
}

/** Also what some servers would read as these names. */
function isFraming (name: string): boolean {
  return ['content-length', 'transfer-encoding'].includes(name.replace(/[^a-z]/g, '-'))
}

type Body = { text: string, length: number } | string | undefined

function readSized (bytes: string, start: number, value: string): Body {
  if (!/^\d{1,15}$/.test(value)) return 'a length that is no number'
  const length = Number(value)
  return bytes.length < start + length ? undefined : { text: bytes.slice(start, start + length), length }
}

function readChunked (bytes: string, start: number, name: string, value: string): Body {
  if (name !== 'transfer-encoding' || value !== 'chunked') return 'an unknown framing'
  let text = ''
  for (let at = start; ;) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return undefined
    const size = bytes.slice(at, end)
    if (!/^[0-9a-f]{1,8}$/i.test(size)) return 'a chunk size that is no number'
    const length = Number.parseInt(size, 16)
    at = end + 2
    if (bytes.length < at + length + 2) return undefined
    if (bytes.slice(at + length, at + length + 2) !== '\r\n') return 'a chunk without an end'
    text += bytes.slice(at, at + length)
    at += length + 2
    if (length === 0) return { text, length: at - start }
  }
}
