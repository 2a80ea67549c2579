import { connect } from 'node:net'

export interface RawAnswer {
  /** 0 if the connection ended without one. */
  readonly status: number
  readonly text: string
}

/** Sends bytes as they are (latin1) and reads until the server closes, at most `patienceMs`. Ask for `connection: close` in them. */
export function sendRaw (url: string, bytes: string, patienceMs = 5_000): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(port), hostname)
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end within ${patienceMs} ms to ${JSON.stringify(bytes.slice(0, 400))}: ${text.slice(0, 200)}`))
    }, patienceMs)
    socket.on('data', (chunk) => { text += chunk.toString('latin1') })
    // A server that answers early and closes may reset what is still being sent.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text })
    })
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}

/** A whole request as text. */
export function rawRequest (method: string, target: string, headers: readonly string[] = [], body = ''): string {
  return [`${method} ${target} HTTP/1.1`, 'host: gateway', 'connection: close', ...headers, '', body].join('\r\n')
}
