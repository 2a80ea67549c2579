import { spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { workerFlags } from '../src/commands/serve/worker-flags.ts'
import { bindTenant, freePort, sendPush, testEnvironment, toPushTime } from '../test/support/build-gateway.ts'
import { foreignRoutes, openForeignProvider } from '../test/support/foreign-provider.ts'
import { Traveller } from '../test/support/journey.ts'
import { findProgram, startServer, stop } from './processes.ts'

/** A server under test: running, and signed in to if it signs in at all. */
export interface System {
  readonly name: string
  readonly pid: number
  readonly url: string
  readonly cookie: string
  /** Whether it turns strangers away. */
  readonly isGuarded: boolean
}

export interface Bench {
  readonly systems: readonly System[]
  /** Peers that aren't installed. */
  readonly skipped: readonly string[]
  readonly close: () => Promise<void>
}

const root = fileURLToPath(new URL('..', import.meta.url))
const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
const client = { clientId: 'client-1', clientSecret: 'client-secret-1', authentication: 'client_secret_post' } as const

/** Starts all systems on one upstream. */
export async function openBench (): Promise<Bench> {
  const { site, close } = await openSite()
  try {
    const gateway = await openGateway(site)
    const peers = [
      await openNoAuth(site, gateway.cookie), await openGatewayOnRedis(site), await openApache(site), await openExpress(site),
      await openNginx(site, gateway.cookie),
    ]
    return {
      systems: [gateway, ...peers.filter((peer) => typeof peer !== 'string')],
      skipped: peers.filter((peer) => typeof peer === 'string'),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A folder with everything compiled, and the upstream. */
async function openSite (application = 'upstream'): Promise<{ site: Site, close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-bench-'))
  // Apache's worker is another user.
  chmodSync(folder, 0o755)
  const closers: (() => unknown)[] = [() => { rmSync(folder, { recursive: true, force: true }) }]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  const keep = (child: ChildProcess): number => {
    closers.push(() => stop(child))
    return child.pid ?? 0
  }
  try {
    compile(folder)
    const upstreamPort = await freePort()
    const upstream = `http://127.0.0.1:${upstreamPort}`
    keep(await startServer(1, [process.execPath, join(folder, `bench/peers/${application}.js`), String(upstreamPort)], upstreamPort))
    return { site: { folder, upstream, keep, closers }, close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface GatewayAlone {
  readonly gateway: System
  readonly folder: string
  readonly tenantId: string
  readonly close: () => Promise<void>
}

/**
 * The gateway with its upstream and nobody to compare it with.
 *
 * @param application a file of `peers/`
 */
export async function openGatewayAlone (application?: string): Promise<GatewayAlone> {
  const { site, close } = await openSite(application)
  try {
    return { gateway: await openGateway(site), folder: site.folder, tenantId, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Gateways on one upstream, each with a store of its own and so many workers. */
export async function openGatewaysOf (workers: readonly number[]): Promise<Pick<Bench, 'systems' | 'close'>> {
  const { site, close } = await openSite()
  try {
    const systems: System[] = []
    for (const count of workers) systems.push(await openGateway(site, `workers: ${count}`, { JOINTGATE_WORKERS: String(count) }))
    return { systems, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Site {
  readonly folder: string
  readonly upstream: string
  readonly keep: (child: ChildProcess) => number
  readonly closers: (() => unknown)[]
}

/** Plain JavaScript, as it runs in production: a loader would be measured, too. */
function compile (folder: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', join(root, 'bench'), '--outDir', folder, '--noCheck'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`tsc: ${stdout}`)
  for (const name of ['node_modules', 'views', 'package.json']) symlinkSync(join(root, name), join(folder, name))
}

async function openGatewayOnRedis (site: Site): Promise<System | string> {
  const name = 'jointgate on Redis'
  const program = findProgram('redis-server')
  if (program === undefined) return name
  const port = await freePort()
  const folder = mkdtempSync(join(site.folder, 'redis-'))
  const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always']
  // Beside the load, as if on another machine.
  site.keep(await startServer(1, [program, ...settings], port))
  return await openGateway(site, name, { JOINTGATE_STORAGE: `redis://127.0.0.1:${port}` })
}

async function openGateway ({ folder, upstream, keep, closers }: Site, name = 'jointgate', more: Record<string, string> = {}): Promise<System> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = testEnvironment({
    url,
    upstream,
    dataFolder: mkdtempSync(join(folder, 'data-')),
    env: { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart', JOINTGATE_SIGN_IN_SCOPE: 'openid', ...more },
  })
  const pid = keep(await startServer(0, [process.execPath, join(folder, 'src/main.js'), 'serve'], port, env))

  const callback = `${url}/_gate/callback`
  const provider = await openForeignProvider({ ...client, redirectUri: callback }, (userName) => ({ userName, tenant: tenantId }))
  closers.push(() => { provider.close() })
  let businessTime = Date.now()
  await bindTenant((name, members) => {
    businessTime = Math.max(businessTime + 1, Date.now())
    const body = JSON.stringify({ instanceId: 'instance-1', testFlag: 0, timeStamp: toPushTime(businessTime), ...members })
    return sendPush(`${url}/_gate`, name, body, Date.now())
  }, { tenantId, domainName: provider.url, ...client, accounts: [{ userName: 'lihua', name: '李华' }] }, () => businessTime)

  // Sent by the workbench: the gateway asks the provider by itself, and the person at the browser gives a name there.
  const query = new URLSearchParams({ client_id: client.clientId, redirect_uri: callback, response_type: 'code', scope: 'openid' })
  const traveller = new Traveller('lihua')
  const { hops } = await traveller.go(`${provider.url}${foreignRoutes.authorization}?${query}`, (at) => at.href.startsWith(callback))
  await traveller.go(`${hops.at(-1)?.href}&tenant=${tenantId}`)
  const cookie = cookieOf(traveller, url, '__Host-jointgate')
  return { name, pid, url: `${url}/`, cookie, isGuarded: true }
}

async function openNoAuth ({ folder, upstream, keep }: Site, cookie: string): Promise<System> {
  const port = await freePort()
  const pid = keep(await startServer(0, [process.execPath, ...workerFlags, join(folder, 'bench/peers/no-auth.js'), String(port), upstream], port))
  return { name: 'the same without auth', pid, url: `http://127.0.0.1:${port}/`, cookie, isGuarded: false }
}

async function openApache (site: Site): Promise<System | string> {
  const program = findProgram('apache2')
  if (program === undefined || !existsSync('/usr/lib/apache2/modules/mod_auth_openidc.so')) return 'Apache mod_auth_openidc'
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const provider = await openForeignProvider({ ...client, redirectUri: `${url}/_gate/callback` }, (userName) => ({ userName, tenant: tenantId }))
  site.closers.push(() => { provider.close() })
  const config = writeConfig(site, 'apache.conf', { PORT: String(port), PROVIDER: provider.url })
  const pid = site.keep(await startServer(0, [program, '-D', 'FOREGROUND', '-f', config], port))
  const traveller = new Traveller('lihua')
  await traveller.go(`${url}/`)
  return { name: 'Apache mod_auth_openidc', pid, url: `${url}/`, cookie: cookieOf(traveller, url, 'mod_auth_openidc_session'), isGuarded: true }
}

async function openExpress (site: Site): Promise<System | string> {
  const folder = join(root, 'bench/peers/express')
  if (!existsSync(join(folder, 'node_modules'))) return 'express-openid-connect (npm ci --prefix bench/peers/express)'
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const provider = await openForeignProvider({ ...client, redirectUri: `${url}/_gate/callback` }, (userName) => ({ userName, tenant: tenantId }))
  site.closers.push(() => { provider.close() })
  const env = { CLIENT_ID: client.clientId, CLIENT_SECRET: client.clientSecret, NODE_ENV: 'production' }
  const command = [process.execPath, join(folder, 'server.js'), String(port), site.upstream, provider.url]
  const pid = site.keep(await startServer(0, command, port, env))
  const traveller = new Traveller('lihua')
  await traveller.go(`${url}/`)
  return { name: 'express-openid-connect', pid, url: `${url}/`, cookie: cookieOf(traveller, url, 'appSession'), isGuarded: true }
}

async function openNginx (site: Site, cookie: string): Promise<System | string> {
  const program = findProgram('nginx')
  if (program === undefined) return 'nginx'
  const port = await freePort()
  const config = writeConfig(site, 'nginx.conf', { PORT: String(port), UPSTREAM_HOST: new URL(site.upstream).host })
  const pid = site.keep(await startServer(0, [program, '-e', 'stderr', '-c', config], port))
  return { name: 'nginx, plain, for scale', pid, url: `http://127.0.0.1:${port}/`, cookie, isGuarded: false }
}

function writeConfig ({ folder, upstream }: Site, name: string, values: Record<string, string>): string {
  const text = readFileSync(new URL(`peers/${name}`, import.meta.url), 'utf8')
  const known: Record<string, string> = { FOLDER: folder, UPSTREAM: upstream, ...values }
  const path = join(folder, name)
  writeFileSync(path, text.replace(/\{([A-Z_]+)\}/g, (_match, key: string) => known[key] ?? ''))
  return path
}

function cookieOf (traveller: Traveller, url: string, name: string): string {
  const value = traveller.at(url).cookies.get(name)
  if (value === undefined) throw new Error(`the sign-in at ${url} brought no ${name}`)
  return `${name}=${value}`
}
