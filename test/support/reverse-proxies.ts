import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './signed-in.ts'

interface Test { teardown (closer: () => unknown): void }

export interface Places {
  /** Where the proxy listens. */
  readonly port: number
  /** `host:port` of the gateway, and of the application. */
  readonly gateway: string
  readonly application: string
}

interface Proxy {
  readonly file: string
  /** What stands for a machine of its own in the configuration, and what stands for it here. Each must occur. */
  filled (places: Places, folder: string): readonly (readonly [from: string | RegExp, to: string])[]
  /** Around the configuration: what a package's main file says, for a process that may write nowhere but to its folder. */
  wrapped? (text: string, folder: string): string
  readonly command: (path: string, folder: string) => readonly string[]
}

const addresses = ({ gateway, application }: Places) => [['127.0.0.1:8080', gateway], ['127.0.0.1:3000', application]] as const

const nginxMain = (text: string, folder: string): string => [
  `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events { worker_connections 256; }`,
  `http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}`, text, '}',
].join('\n')

const nginxListens = ({ port }: Places) => [
  ['listen 443 ssl;', `listen 127.0.0.1:${port};`], ['server_name app.example.com;', 'server_name 127.0.0.1;'], [/^ *ssl_certificate.*$/gm, ''],
] as const

const nginxCommand = (path: string, folder: string): readonly string[] => ['nginx', '-c', path, '-p', folder, '-e', 'stderr']

const modules = ['mpm_event', 'authz_core', 'headers', 'proxy', 'proxy_http']

const proxies = {
  nginx: {
    file: 'nginx.conf',
    filled: (places) => [...addresses(places), ...nginxListens(places)],
    wrapped: nginxMain,
    command: nginxCommand,
  },
  'nginx in front': {
    file: 'nginx-in-front.conf',
    filled: (places) => [['127.0.0.1:8080', places.gateway], ...nginxListens(places)],
    wrapped: nginxMain,
    command: nginxCommand,
  },
  caddy: {
    file: 'Caddyfile',
    filled: (places) => [...addresses(places), ['app.example.com {', `http://127.0.0.1:${places.port} {`]],
    wrapped: (text) => `{\n\tadmin off\n\tauto_https off\n}\n${text}`,
    command: (path) => ['caddy', 'run', '--config', path, '--adapter', 'caddyfile'],
  },
  haproxy: {
    file: 'haproxy.cfg',
    filled: (places, folder) => [
      ...addresses(places), [/bind :443 .*$/m, `bind 127.0.0.1:${places.port}`], ['str(https)', 'str(http)'], ['/etc/haproxy/jointgate.lua', `${folder}/jointgate.lua`],
    ],
    command: (path) => ['haproxy', '-db', '-f', path],
  },
  'apache in front': {
    file: 'apache.conf',
    filled: (places) => [
      ['127.0.0.1:8080', places.gateway], ['<VirtualHost *:443>', `<VirtualHost 127.0.0.1:${places.port}>`], [/^ *SSL.*$/gm, ''],
      ['ServerName app.example.com', `ServerName 127.0.0.1:${places.port}`],
    ],
    wrapped: (text, folder) => [
      ...modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`), 'User www-data', 'Group www-data', 'ServerName 127.0.0.1',
      `PidFile ${folder}/pid`, `ErrorLog ${folder}/error.log`, `DefaultRuntimeDir ${folder}`, text.replace(/<VirtualHost (.*)>/, 'Listen $1\n$&'),
    ].join('\n'),
    command: (path, folder) => ['apache2', '-X', '-d', folder, '-f', path],
  },
} as const satisfies Readonly<Record<string, Proxy>>

export type ProxyName = keyof typeof proxies

const documents = new URL('../../docs/forward-auth/', import.meta.url)

/** The real program with the configuration from docs, this machine's addresses filled in. */
export async function openReverseProxy (t: Test, name: ProxyName, places: Places): Promise<void> {
  const proxy: Proxy = proxies[name]
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-proxy-'))
  let text = readFileSync(new URL(proxy.file, documents), 'utf8')
  for (const [from, to] of proxy.filled(places, folder)) {
    if (text.search(from instanceof RegExp ? from : from.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')) === -1) throw new Error(`${proxy.file} holds no ${from}`)
    text = text.replaceAll(from instanceof RegExp && !from.global ? new RegExp(from, `${from.flags}g`) : from, to)
  }
  const path = join(folder, proxy.file)
  writeFileSync(path, proxy.wrapped?.(text, folder) ?? text)
  if (name === 'haproxy') writeFileSync(join(folder, 'jointgate.lua'), readFileSync(new URL('jointgate.lua', documents)))
  const [program = '', ...args] = proxy.command(path, folder)
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: `${process.env['PATH']}:/usr/sbin`, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
  t.teardown(async () => {
    await stop(child)
    rmSync(folder, { recursive: true, force: true })
  })
  const gone = once(child, 'exit').then(() => { throw new Error(`${name} has ended: ${output}`) })
  gone.catch(() => {})
  await Promise.race([until(() => isListening(places.port), 20_000), gone])
}

async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000)
  await once(child, 'exit')
  clearTimeout(timer)
}

async function isListening (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await once(socket, 'connect').then(() => true, () => false)
  socket.destroy()
  return isOpen
}
