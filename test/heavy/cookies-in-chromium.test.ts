import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { chromium, type BrowserContext, type Page, type Request } from 'playwright-core'
import t, { type Test } from 'tap'
import { openTestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { createPush, dayMs } from '../support/instance-pushes.ts'
import { rawRequest, sendRaw } from '../support/raw-http.ts'
import { callbackPath, confirmCookie, roundsCookie, sessionCookie, tenantId } from '../support/sign-in-steps.ts'

const ours = 'https://app.example.test'
/** Of the same site: SameSite withholds nothing from it, and it may set cookies for `example.test`. */
const sibling = 'https://evil.example.test'
const stranger = 'https://attacker.test'

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const mallory = { userName: 'mallory', name: 'Mallory', tenant: tenantId }

type Handler = (request: IncomingMessage, response: ServerResponse) => void
const hosts = new Map<string, Handler>()
const readTls = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')
/** Every name's https, as a load balancer in front of the gateway and the attacker's host would be. */
const front = createServer({ key: readTls('server-key'), cert: readTls('self-signed') }, (request, response) => {
  const handler = hosts.get(`https://${request.headers.host}`)
  if (handler === undefined) response.writeHead(404).end()
  else handler(request, response)
})
front.listen(0, '127.0.0.1')
await once(front, 'listening')
/** `npm test` finds the browser, or installs it, and says where it is. */
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--headless', `--host-resolver-rules=MAP *.test 127.0.0.1:${(front.address() as AddressInfo).port}`],
})
t.teardown(async () => {
  await browser.close()
  front.closeAllConnections()
  front.close()
})

// Some hundred page loads.
t.setTimeout(240_000)

interface Visit { readonly method: string, readonly path: string, readonly cookie: string, status: number }

async function openWorld (t: Test) {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, {
    authorizationServerTimeoutSeconds: 10,
    env: {
      JOINTGATE_PUBLIC_URL: ours,
      JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'marker',
      JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: `${server.url}/unified/#/portal-login`,
    },
  })
  server.callbackUrl = `${ours}/_gate/callback`
  const accounts = [lihua, mallory]
  await gateway.bind({ tenantId, domainName: server.url, accounts })
  gateway.upstream.answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<p id="user">${String(request.headers['x-identity-user'])}</p>`)
  }
  /** What reached our host, in order. */
  const visits: Visit[] = []
  hosts.set(ours, (request, response) => {
    const visit = { method: request.method ?? '', path: request.url?.split('?')[0] ?? '', cookie: request.headers.cookie ?? '', status: 0 }
    visits.push(visit)
    const onward = forward(gateway.url + (request.url ?? ''), { method: request.method, headers: request.headers }, (answer) => {
      visit.status = answer.statusCode ?? 0
      response.writeHead(visit.status, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  /** A second purchase of the same enterprise, open to lihua too. */
  const addPurchase = async (): Promise<void> => {
    await gateway.bind({ tenantId, domainName: server.url, accounts }, 'instance-2')
    for (const [id, days] of [['instance-1', 30], ['instance-2', 400]] as const) {
      await gateway.storage.directory.commit(createPush(id, gateway.clock.now(), { expiresAt: gateway.clock.now() + days * dayMs }))
    }
  }
  return { gateway, server, visits, addPurchase }
}

type World = Awaited<ReturnType<typeof openWorld>>

interface Laid { readonly html: string, readonly setCookies: readonly string[] }

const laid = new Map<string, Laid>()
for (const origin of [sibling, stranger]) {
  hosts.set(origin, (request, response) => {
    const { html, setCookies } = laid.get(origin + (request.url ?? '')) ?? { html: '', setCookies: [] }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'set-cookie': [...setCookies] }).end(html)
  })
}

/** A page of the attacker's, at an address that nobody has visited. */
function lay (origin: string, html: string, setCookies: readonly string[] = []): string {
  const address = `${origin}/${laid.size}`
  laid.set(address, { html, setCookies })
  return address
}

interface Said { readonly user: string, readonly instance: string }

async function newVisitor (t: Test) {
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true })
  t.teardown(() => context.close())
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const watcher = await context.newPage()
  // Our own pages may fetch nothing by their policy; this is none.
  await watcher.goto(`${ours}/_gate/jwks.json`)
  /** What the gateway says of this browser, to the application and to the page, which must agree; `undefined` for nobody. */
  const whoIs = async (): Promise<Said | undefined> => {
    const { told, said } = await watcher.evaluate(async () => {
      const [app, own] = [await fetch('/'), await fetch('/_gate/session')]
      return { told: app.ok ? await app.text() : undefined, said: own.ok ? await own.json() as Said : undefined }
    })
    const user = told === undefined ? undefined : /<p id="user">(\w+)/.exec(told)?.[1]
    if (user !== said?.user) throw new Error(`the application is told ${user}, the page ${said?.user}`)
    return said === undefined ? undefined : { user: said.user, instance: said.instance }
  }
  const idOf = async (): Promise<string> => (await context.cookies(ours)).find(({ name }) => name === sessionCookie)?.value ?? ''
  return { context, page, watcher, whoIs, idOf }
}

/** By our button; the marketplace's page, which knows the person, sends the browser back at once. */
async function signIn (page: Page, { gateway, server }: World, person: typeof lihua): Promise<void> {
  server.signedOn = person
  await page.goto(`${ours}/_gate/sign-in`)
  await page.locator('main').getByRole('button').click()
  await page.locator('#user').waitFor()
  server.signedOn = undefined
  gateway.clock.advance(60_000)
}

async function jar (context: BrowserContext): Promise<string[]> {
  const names = (await context.cookies()).map(({ name }) => name)
  return names.filter((name) => /jointgate/i.test(name)).sort()
}

t.test('after the sign-out by the page the jar holds none of our cookies but the language, which says nothing of the person (T-14)', async (t) => {
  const world = await openWorld(t)
  const { server, addPurchase } = world
  const { context, page, whoIs, idOf } = await newVisitor(t)
  await page.goto(`${ours}/_gate/sign-in?lang=en`)
  await signIn(page, world, lihua)

  const tab = await context.newPage()
  await tab.goto(`${ours}${callbackPath({ code: server.issueCode(mallory), tenant: tenantId })}`)
  await tab.getByRole('heading', { name: 'Continue as Mallory' }).waitFor()
  await addPurchase()
  server.signedOn = lihua
  await tab.goto(`${ours}/_gate/sign-in`)
  await tab.locator('main').getByRole('button').click()
  await tab.getByRole('button', { name: /order of instance-1/ }).waitFor()
  server.signedOn = undefined
  await tab.goto(`${ours}/_gate/sign-in`)
  const away = tab.waitForResponse(/\/unified\//)
  await tab.locator('main').getByRole('button').click()
  await away

  const before = await jar(context)
  for (const name of [sessionCookie, confirmCookie, roundsCookie, `${sessionCookie}-choice`, `${sessionCookie}-lang`]) t.ok(before.includes(name), name)
  t.ok(before.some((name) => name.startsWith(`${sessionCookie}-flow-`)), 'a login begun')

  const id = await idOf()
  // The tenant's logout sends the browser on, as login.md §5.1 has it.
  server.misbehaviours.set('userinfo', (response) => {
    response.writeHead(302, { location: new URL(response.req.url ?? '', server.url).searchParams.get('redirect_url') ?? '' }).end()
  })
  await page.goto(`${ours}/_gate/sign-out`)
  await page.locator('form[action="/_gate/sign-out"]').getByRole('button').click()
  await page.waitForURL(`${ours}/_gate/signed-out`)
  t.same(await jar(context), [`${sessionCookie}-lang`])
  t.equal(await whoIs(), undefined)

  await context.addCookies([{ name: sessionCookie, value: id, url: ours, secure: true }])
  t.equal(await whoIs(), undefined, 'the cookie that somebody kept opens nothing')
})

/** Names by which a sibling tries to pass a cookie off as ours; bytes (latin1), as a header carries them. */
const plantedNames: readonly string[] = [
  sessionCookie, `${sessionCookie} `, ` ${sessionCookie}`, `\t${sessionCookie}`, `${sessionCookie}\t`, `=${sessionCookie}`, ` = ${sessionCookie}`,
  '__host-jointgate', '__HOST-JOINTGATE', `__Secure-x; ${sessionCookie}`, `${sessionCookie}-`, `"${sessionCookie}"`,
  '%5F%5FHost-jointgate', '__Host%2Djointgate', `$Version=1,${sessionCookie}`, `x, ${sessionCookie}`, `\xef\xbb\xbf${sessionCookie}`,
  `\xa0${sessionCookie}`, `${sessionCookie}\xa0`, `\xa0${sessionCookie}\xa0`, `\x85${sessionCookie}`, `${sessionCookie}\x85`,
  `\xc2\xa0${sessionCookie}`, `${sessionCookie}\xc2\xa0`, `\xe2\x80\x83${sessionCookie}`, `${sessionCookie}\xe2\x80\x83`,
]

t.test('a sibling sub-domain plants its own session under every name like ours: nobody becomes Mallory, nobody is put out (T-27)', async (t) => {
  const world = await openWorld(t)
  const { visits } = world
  const attacker = await newVisitor(t)
  await signIn(attacker.page, world, mallory)
  const loot = await attacker.idOf()
  t.equal((await attacker.whoIs())?.user, 'mallory', 'what is planted is a session that lives')

  const arrived = new Set<string>()
  for (const isSignedIn of [true, false]) {
    const victim = await newVisitor(t)
    if (isSignedIn) await signIn(victim.page, world, lihua)
    const own = await victim.idOf()
    for (const name of plantedNames) {
      const plant = async (attributes: string): Promise<void> => {
        const lines = ['/', '/_gate'].map((path) => `${name}=${loot}; Domain=example.test; Path=${path}; Secure${attributes}`)
        // Scripts write UTF-8, headers any bytes.
        const scripts = lines.map((line) => `document.cookie = ${JSON.stringify(Buffer.from(line, 'latin1').toString())}`)
        await victim.page.goto(lay(sibling, `<script>${scripts.join('\n')}</script>`, lines))
      }
      await plant('')
      visits.length = 0
      t.equal((await victim.whoIs())?.user, isSignedIn ? 'lihua' : undefined, JSON.stringify(name))
      if (visits.some(({ cookie }) => cookie.includes(loot))) arrived.add(name)
      const held = visits.map(({ cookie }) => cookie.split('; ').filter((pair) => pair.startsWith(`${sessionCookie}=`)))
      t.ok(held.every((pairs) => pairs.join() === (isSignedIn ? `${sessionCookie}=${own}` : '')), 'under the very name the browser sends its own alone')
      await plant('; Max-Age=0')
    }
  }
  t.notOk(arrived.has(sessionCookie), 'the browser refuses our name for a domain')
  t.ok(arrived.has(`\xa0${sessionCookie}`), 'and carries one that String.trim makes ours')
  t.comment(`carried to the gateway: ${[...arrived].map((name) => JSON.stringify(name)).join(' ')}`)
})

t.test('where two cookies of our name arrive neither is used, and both sessions live on (T-27, C-32)', async (t) => {
  const world = await openWorld(t)
  const { gateway } = world
  const [attacker, victim] = [await newVisitor(t), await newVisitor(t)]
  await signIn(attacker.page, world, mallory)
  await signIn(victim.page, world, lihua)
  const [theirs, own] = [`${sessionCookie}=${await attacker.idOf()}`, `${sessionCookie}=${await victim.idOf()}`]
  const ask = (...lines: string[]) => sendRaw(gateway.url, rawRequest('GET', '/_gate/session', ['accept: application/json', ...lines]))
  t.match(await ask(`cookie: ${own}`), { status: 200, text: '"user":"lihua"' })
  for (const lines of [
    [`cookie: ${own}; ${theirs}`], [`cookie: ${theirs}; ${own}`], [`cookie: ${theirs};${own}`], [`cookie: ${own}; a=b;\t${theirs}`],
    [`cookie: ${theirs.replace('=', ' =')}; ${own}`], [`cookie: ${own}; ${own}`], [`cookie: ${own}; ${sessionCookie}=`], [`cookie: ${theirs}`, `cookie: ${own}`],
    [`cookie: ${own}`, `cookie: ${theirs}`],
  ]) {
    const answer = await ask(...lines)
    t.equal(answer.status, 401, JSON.stringify(lines))
    t.notMatch(answer.text, /lihua|mallory/)
  }
  t.equal((await victim.whoIs())?.user, 'lihua')
  t.equal((await attacker.whoIs())?.user, 'mallory')
})

t.test('neither picture, link, frame, form nor script of a sibling or a stranger signs out, ends a session or changes the purchase (T-31)', async (t) => {
  const world = await openWorld(t)
  const { visits, addPurchase } = world
  const { context, page, watcher, whoIs, idOf } = await newVisitor(t)
  await signIn(page, world, lihua)
  await addPurchase()
  const id = await idOf()
  const standing = await whoIs()
  t.match(standing, { user: 'lihua', instance: 'instance-1' })
  // The worst case: the attacker knows whatever our own forms carry.
  const ref = await watcher.evaluate(async () => {
    const answer = await fetch('/_gate/account', { headers: { accept: 'application/json' } })
    return (await answer.json() as { sessions: { ref: string }[] }).sessions[0]?.ref ?? ''
  })
  await page.goto(`${ours}/_gate/choose`)
  const question = await page.locator('input[name="question"]').first().getAttribute('value') ?? ''
  t.ok(ref !== '' && question !== '')
  const targets: Record<string, Record<string, string>> = {
    '/_gate/sign-out': {}, '/_gate/account': { session: ref }, '/_gate/choose': { question, instance: 'instance-2', return_to: '/' },
  }

  for (const origin of [sibling, stranger]) {
    for (const [path, fields] of Object.entries(targets)) {
      const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`).join('')
      const form = (method: string, target = ''): string =>
        `<form method="${method}" ${target} action="${ours}${path}">${inputs}</form><script>document.forms[0].submit()</script>`
      const script = `<script>fetch('${ours}${path}', { method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams(${JSON.stringify(fields)}) })</script>`
      const ways: Record<string, { html: string, method: string }> = {
        picture: { html: `<img src="${ours}${path}">`, method: 'GET' },
        link: { html: `<meta http-equiv="refresh" content="0;url=${ours}${path}">`, method: 'GET' },
        'form by GET': { html: form('get'), method: 'GET' },
        form: { html: form('post'), method: 'POST' },
        'form in a frame': { html: `<iframe name="f"></iframe>${form('post', 'target="f"')}`, method: 'POST' },
        script: { html: script, method: 'POST' },
      }
      for (const [way, { html, method }] of Object.entries(ways)) {
        const told = `${way} of ${origin} to ${path}`
        const tab = await context.newPage()
        visits.length = 0
        const isIt = (request: Request): boolean => request.url().startsWith(ours + path)
        // What is refused to a picture is a failed request to the browser, since other sites may not read the answer.
        const done = Promise.any([context.waitForEvent('requestfinished', isIt), context.waitForEvent('requestfailed', isIt)])
        await tab.goto(lay(origin, html), { waitUntil: 'commit' })
        await done
        const visit = visits.find((one) => one.path === path && one.method === method)
        t.ok(visit, `${told} arrives`)
        if (origin === sibling) t.match(visit?.cookie, id, `${told}: with the cookie, since it is the same site`)
        if (method === 'POST') t.equal(visit?.status, 403, told)
        await tab.close()
        t.same(await whoIs(), standing, told)
        t.equal(await idOf(), id)
      }
    }
  }
  await page.goto(`${ours}/_gate/sign-out`)
  await page.locator('form[action="/_gate/sign-out"]').getByRole('button').click()
  await page.waitForURL(/\/api\/v1\/logout/)
  t.equal(await whoIs(), undefined, 'our own button does')
})
