import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { bodySign } from '../../src/push/signature/body-sign.ts'
import { kitKey, productionKey } from './build-gateway.ts'

/** What goes through, as far as a fault wants to know it. */
export interface ProxiedCall {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** The interface or the `activity`; `''` for other requests. */
  readonly name: string
  readonly isV1: boolean
  /** Of the body or of V1's query. */
  readonly members: Readonly<Record<string, unknown>>
}

export interface ProxiedAnswer {
  readonly status: number
  /** In the spelling in which they go out. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** What goes wrong between marketplace and gateway; `undefined`: the line goes dead. */
export type Fault = (call: ProxiedCall, forward: () => Promise<ProxiedAnswer>) => Promise<ProxiedAnswer | undefined>

export const passOn: Fault = async (_call, forward) => forward()

/** A reverse proxy in front of a good gateway that spoils what it is told to. */
export interface FaultyProxy {
  readonly url: string
  fault: Fault
}

interface Test { teardown (closer: () => unknown): void }

/** @param tls https in place of http */
export async function openFaultyProxy (t: Test, target: string, tls?: SecureContextOptions): Promise<FaultyProxy> {
  const proxy = { url: '', fault: passOn }
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    pass(proxy.fault, target, incoming, outgoing).catch(() => { outgoing.destroy() })
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  proxy.url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  return proxy
}

async function pass (fault: Fault, target: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await readAll(incoming)
  const answer = await fault(readCall(incoming, body.toString()), async () => forward(target, incoming, body))
  if (answer === undefined) {
    outgoing.destroy()
    return
  }
  outgoing.sendDate = false
  if (answer.headers['http-version'] !== undefined) {
    outgoing.socket?.end(`HTTP/${answer.headers['http-version']} ${answer.status} OK\r\nContent-Type: ${answer.headers['content-type']}\r\nBody-Sign: ${
      answer.headers['Body-Sign']}\r\nContent-Length: ${answer.body.length}\r\n\r\n${answer.body.toString()}`)
    return
  }
  outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) }).end(answer.body)
}

async function forward (target: string, { method, url = '/', rawHeaders }: IncomingMessage, body: Buffer): Promise<ProxiedAnswer> {
  const call = request(target + url, { method, headers: rawHeaders, agent: false })
  call.end(body)
  const [response] = await once(call, 'response') as [IncomingMessage]
  const headers: Record<string, string> = {}
  for (let at = 0; at + 1 < response.rawHeaders.length; at += 2) {
    const name = response.rawHeaders[at] ?? ''
    if (!/^(?:connection|keep-alive|transfer-encoding|content-length)$/i.test(name)) headers[name] = response.rawHeaders[at + 1] ?? ''
  }
  return { status: response.statusCode ?? 0, headers, body: await readAll(response) }
}

async function readAll (message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function readCall ({ method = '', url = '/', headers }: IncomingMessage, body: string): ProxiedCall {
  const { pathname: path, searchParams: query } = new URL(url, 'http://any')
  const members = method === 'GET' ? Object.fromEntries(query) : parse(body)
  const kitName = /\/produceAPI\/(?:v2\/)?(\w+)$/.exec(path)?.[1]
  const { activity } = members
  const name = kitName ?? (typeof activity === 'string' ? activity : '')
  const isV1 = kitName === undefined ? method === 'GET' : !path.includes('/v2/')
  return { method, path, query, headers: headers as ProxiedCall['headers'], body, name, isV1, members }
}

function parse (text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    // No call of ours.
    return {}
  }
}

/** An answer of the protocol, well signed, whatever it says. */
export function signedAnswer ({ path }: ProxiedCall, members: Readonly<Record<string, unknown>>): ProxiedAnswer {
  const body = JSON.stringify(members)
  const key = path.includes('/produceAPI/') ? kitKey : productionKey
  return { status: 200, headers: { 'content-type': 'application/json', 'Body-Sign': bodySign(key, body) }, body }
}

export function refusal (call: ProxiedCall, resultCode: string): ProxiedAnswer {
  return signedAnswer(call, { resultCode, resultMsg: 'so says the proxy' })
}

export const success = (call: ProxiedCall): ProxiedAnswer => refusal(call, '000000')

type Said = Readonly<Record<string, unknown>> & { readonly resultCode?: string, readonly resultMsg?: string }

/** What an answer of the gateway says. */
export function saidBy ({ body }: ProxiedAnswer): Said {
  return parse(body.toString())
}
