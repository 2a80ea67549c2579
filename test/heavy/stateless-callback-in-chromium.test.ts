import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium, type BrowserContext, type Page, type Request } from 'playwright-core'
import t, { type Test } from 'tap'
import { createPush, dayMs } from '../support/instance-pushes.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { callbackPath, otherTenantId, tenantId } from '../support/sign-in-steps.ts'

/** `npm test` finds the browser, or installs it, and says where it is. */
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--headless'] })
t.teardown(() => browser.close())

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const wangwu = { userName: 'wangwu', name: '王五', tenant: tenantId }
const mallory = { userName: 'mallory', name: 'Mallory', tenant: otherTenantId }

/** The attacker's site: whatever page a test writes, at `localhost`, which is another site than `127.0.0.1`. */
async function openAttacker (t: Test) {
  const pages = new Map<string, string>()
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(pages.get(request.url ?? '') ?? '<p>nothing here</p>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  return (html: string): string => {
    const path = `/${pages.size}`
    pages.set(path, html)
    return `${url}${path}`
  }
}

async function openWorld (t: Test, mode: 'restart' | 'marker' | 'confirm') {
  const server = await openFakeAuthorizationServer(t)
  const otherServer = await openFakeAuthorizationServer(t)
  const unifiedLoginUrl = `${server.url}/unified/#/portal-login`
  const gateway = await openTestGateway(t, {
    authorizationServerTimeoutSeconds: 10,
    env: { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: mode, JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: unifiedLoginUrl },
  })
  server.callbackUrl = `${gateway.url}/_gate/callback`
  await gateway.bind({ tenantId, domainName: server.url, accounts: [lihua, wangwu] })
  await gateway.bind({ tenantId: otherTenantId, domainName: otherServer.url, name: '别家公司', clientId: 'client-other', accounts: [mallory] })
  gateway.upstream.answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<p id="user">${String(request.headers['x-identity-user'])}</p>`)
  }
  const callbackWith = (code: string, tenant: string): string => `${gateway.url}${callbackPath({ code, tenant })}`
  return { gateway, server, otherServer, attack: await openAttacker(t), callbackWith }
}

type World = Awaited<ReturnType<typeof openWorld>>

async function newVisitor (t: Test): Promise<{ context: BrowserContext, page: Page }> {
  const context = await browser.newContext({ locale: 'en-GB' })
  t.teardown(() => context.close())
  context.setDefaultTimeout(10_000)
  return { context, page: await context.newPage() }
}

/** By our button; the marketplace's page, which knows the person, sends the browser back at once. */
async function signIn (page: Page, { gateway, server }: World, person: typeof lihua, path = '/'): Promise<void> {
  server.signedOn = person
  await page.goto(gateway.url + path)
  await page.locator('main').getByRole('button').click()
  const question = page.getByRole('button', { name: 'Continue' })
  await page.locator('#user').or(question).first().waitFor()
  if (await question.count() > 0) await question.click()
  await page.locator('#user').waitFor()
  server.signedOn = undefined
  gateway.clock.advance(60_000)
}

/** Who the gateway takes this browser for, `undefined` for nobody. */
async function whoIs (page: Page, { gateway }: World): Promise<string | undefined> {
  const watcher = await page.context().newPage()
  // Our own pages may fetch nothing by their policy; this is none.
  await watcher.goto(`${gateway.url}/_gate/jwks.json`)
  const user = await watcher.evaluate(async () => (await (await fetch('/_gate/session')).json() as { user?: string }).user)
  await watcher.close()
  return user
}

const escaped = (address: string): string => address.replaceAll('&', '&amp;')

/** All that loads an address without leaving the page. */
const embeddings: readonly ((address: string) => string)[] = [
  (address) => `<img src="${escaped(address)}">`,
  (address) => `<iframe src="${escaped(address)}"></iframe>`,
  (address) => `<object data="${escaped(address)}"></object>`,
  (address) => `<script src="${escaped(address)}"></script>`,
  (address) => `<script>fetch(${JSON.stringify(address)}, { mode: 'no-cors', credentials: 'include' })</script>`,
  (address) => `<iframe name="f"></iframe><form method="post" target="f" action="${escaped(address)}"></form><script>document.forms[0].submit()</script>`,
]

/** All that moves the browser, or a new window of it. */
const journeys: Record<string, (address: string) => string> = {
  form: (address) => {
    const fields = [...new URL(address).searchParams].map(([name, value]) => `<input name="${name}" value="${value}">`).join('')
    return `<form action="${address.split('?')[0]}">${fields}</form><script>document.forms[0].submit()</script>`
  },
  redirect: (address) => `<meta http-equiv="refresh" content="0;url=${escaped(address)}">`,
  'pop-up': (address) => `<button onclick="window.open('${escaped(address)}')">prize</button>`,
}

// The modes by themselves are shown without a browser; here is what only a browser can show: what it sends with each way of delivery.
for (const [mode, victimIs] of [['marker', undefined], ['marker', 'wangwu'], ['restart', 'wangwu']] as const) {
  t.test(`an attacker's code brought to a browser in which ${victimIs ?? 'nobody'} is signed in, mode ${mode} (T-11)`, async (t) => {
    const world = await openWorld(t, mode)
    const { server, otherServer, attack, callbackWith } = world
    const { context, page } = await newVisitor(t)
    if (victimIs !== undefined) await signIn(page, world, wangwu)
    const [person, from] = victimIs === undefined ? [lihua, server] : [mallory, otherServer]
    const isCallback = (request: Request): boolean => request.url().includes('/_gate/callback')
    const arrival = (): Promise<Request> =>
      Promise.any([context.waitForEvent('requestfinished', isCallback), context.waitForEvent('requestfailed', isCallback)])

    const tab = await context.newPage()
    const answered: Request[] = []
    const all = new Promise<void>((resolve) => {
      const note = (request: Request): void => {
        if (isCallback(request) && answered.push(request) === embeddings.length) resolve()
      }
      // What is refused to a picture is a failed request to the browser, since other sites may not read the answer.
      tab.on('requestfinished', note).on('requestfailed', note)
    })
    const code = from.issueCode(person)
    const calls = from.calls.length
    await tab.goto(attack(embeddings.map((embed) => embed(callbackWith(code, person.tenant))).join('')), { waitUntil: 'commit' })
    await all
    t.equal(from.calls.length, calls, 'picture, frame, object, script, fetch, form in a frame: the code is not even sent')
    t.equal(await whoIs(page, world), victimIs)

    for (const [way, html] of Object.entries(journeys)) {
      const before = from.calls.length
      const arrived = arrival()
      await tab.goto(attack(html(callbackWith(from.issueCode(person), person.tenant))), { waitUntil: 'commit' })
      if (way === 'pop-up') await tab.getByRole('button').click()
      t.equal((await (await arrived).response())?.status(), 303, `${way}: a page view goes on`)
      // A second one while our own request is under way is asked about: nothing tells it from a server that lost the state.
      if (mode === 'restart' && way === 'form') t.equal(from.calls.length, before, `${way}: the code is not even sent`)
      t.equal(await whoIs(page, world), victimIs, `${way}: nobody is switched`)
    }
  })
}

t.test('the page that asks names both, and No changes nothing (T-11)', async (t) => {
  const world = await openWorld(t, 'marker')
  const { otherServer, attack, callbackWith } = world
  const { page } = await newVisitor(t)
  await signIn(page, world, wangwu)
  await page.goto(attack(journeys['redirect']?.(callbackWith(otherServer.issueCode(mallory), otherTenantId)) ?? ''), { waitUntil: 'commit' })
  await page.getByRole('heading', { name: 'Continue as Mallory' }).waitFor()
  t.match(await page.locator('main').textContent(), /王五 \(wangwu\) of 晨曦科技/)
  await page.getByRole('link', { name: 'No, stay signed in as before' }).click()
  await page.locator('#user').waitFor()
  t.equal(await whoIs(page, world), 'wangwu')
})

t.test('Back, forward and reload after a sign-in repeat nothing; one code in two tabs at once is sent once (T-11, C-7, C-8)', async (t) => {
  const world = await openWorld(t, 'marker')
  const { server, callbackWith } = world
  const { page } = await newVisitor(t)
  await signIn(page, world, lihua, '/reports')
  t.equal(new URL(page.url()).pathname, '/reports')
  const calls = server.calls.length
  await page.goBack()
  t.notMatch(page.url(), 'code=', 'no code in the history')
  await page.goForward()
  await page.reload()
  t.equal(server.calls.length, calls)
  t.equal(await whoIs(page, world), 'lihua')

  const other = await newVisitor(t)
  const tabs = [other.page, await other.context.newPage()]
  const code = server.issueCode(lihua)
  await Promise.allSettled(tabs.map((tab) => tab.goto(callbackWith(code, tenantId))))
  t.equal(server.calls.filter(({ endpoint, form }) => endpoint === 'token' && form['code'] === code).length, 1)
  t.equal(await whoIs(other.page, world), undefined, 'and nobody is in before the word')
})

t.test('restart in Chromium: our own request is answered silently; a server that loses the state ends in a question, in no circle (C-19)', async (t) => {
  const world = await openWorld(t, 'restart')
  const { server, callbackWith } = world
  const { page } = await newVisitor(t)
  const dropped = server.issueCode(wangwu)
  server.signedOn = lihua
  await page.goto(callbackWith(dropped, tenantId))
  await page.locator('#user').waitFor()
  t.equal(await page.locator('#user').textContent(), 'lihua', 'the person of this browser, not of the code')
  t.equal(await whoIs(page, world), 'lihua')

  const other = await newVisitor(t)
  server.isStateLost = true
  await other.page.goto(callbackWith('dropped', tenantId))
  await other.page.getByRole('button', { name: 'Continue' }).click()
  await other.page.locator('#user').waitFor()
  t.equal(await whoIs(other.page, world), 'lihua')
})

t.test('of two orders the person chooses in Chromium, and changes the choice later', async (t) => {
  const world = await openWorld(t, 'marker')
  const { gateway, server } = world
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ ...lihua, role: 'admin' }] }, 'instance-2')
  const now = gateway.clock.now()
  await gateway.storage.directory.commit(createPush('instance-1', now, { expiresAt: now + 30 * dayMs }))
  await gateway.storage.directory.commit(createPush('instance-2', now, { expiresAt: now + 400 * dayMs }))
  gateway.upstream.answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<p id="instance">${String(request.headers['x-identity-instance'])}</p>`)
  }
  const { page } = await newVisitor(t)
  server.signedOn = lihua
  await page.goto(`${gateway.url}/reports`)
  await page.locator('main').getByRole('button').click()
  await page.getByRole('button', { name: /order of instance-1/ }).click()
  await page.locator('#instance').waitFor()
  t.equal(new URL(page.url()).pathname, '/reports')
  t.equal(await page.locator('#instance').textContent(), 'instance-1')

  await page.goto(`${gateway.url}/_gate/choose?return_to=%2Fkept`)
  t.match(await page.getByRole('button', { name: /order of instance-1/ }).textContent(), 'In use now')
  await page.getByRole('button', { name: /order of instance-2/ }).click()
  await page.locator('#instance').waitFor()
  t.equal(await page.locator('#instance').textContent(), 'instance-2')
  t.equal(page.url(), `${gateway.url}/kept`)
})
