import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { parseReturnTo } from '../../src/base/return-url.ts'
import { openDemo, type Demo } from '../../src/commands/demo.ts'
import { renderDemoGuide } from '../../src/commands/demo-guide.ts'

/** `npm test` finds the browser, or installs it, and says where it is. */
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/** Free now; the demo's addresses must be known before anything listens. */
async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

async function openFreshDemo (): Promise<Demo> {
  const [gateway, operator, simulator, application] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  return await openDemo({ gateway, operator, simulator, application })
}

/** A browser of its own: cookies, cache and language as a new visitor has them. */
async function newVisitor (t: Test, browser: Browser): Promise<{ context: BrowserContext, page: Page }> {
  const context = await browser.newContext({ locale: 'en-GB' })
  t.teardown(() => context.close())
  context.setDefaultTimeout(10_000)
  return { context, page: await context.newPage() }
}

async function signIn (page: Page, { config }: Demo, account: string, password: string, path = '/'): Promise<void> {
  await page.goto(config.application.publicUrl + path)
  await page.locator('main').getByRole('button').click()
  await page.getByLabel('account@enterprise').fill(account)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function pressInConsole (context: BrowserContext, { world }: Demo, account: string, button: string): Promise<void> {
  const page = await context.newPage()
  await page.goto(world.marketplaceUrl)
  // The console answers when the gateway has answered the push, and then shows itself anew. The page stays open: Chromium may take half
  // a minute to close one that it is still loading.
  const pushed = page.waitForResponse((response) => response.request().method() === 'POST')
  const shown = page.waitForEvent('load')
  await page.locator(`[data-account="${account}"]`).getByRole('button', { name: button }).click()
  await pushed
  await shown
}

t.test('the demo in a browser', async (t) => {
  const demo = await openFreshDemo()
  t.teardown(() => demo.close())
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--headless'] })
  t.teardown(() => browser.close())
  const { publicUrl } = demo.config.application

  t.test('the guide names every address and the first account', async (t) => {
    const guide = renderDemoGuide(demo.config, demo.world, demo.envFile)
    for (const text of [publicUrl, demo.world.marketplaceUrl, demo.world.applicationUrl, 'lihua@sunrise', 'lihua-2025']) t.match(guide, text)
    t.ok(guide.split('\n').length <= 30, 'one screen')
  })

  t.test('the command that the guide ends with shows the demo\'s pushes, from a process of its own', async (t) => {
    const [, words = ''] = /^ +node (--env-file=.+)$/m.exec(renderDemoGuide(demo.config, demo.world, demo.envFile)) ?? []
    const { stdout } = await promisify(execFile)(process.execPath, words.split(' '), { env: { PATH: process.env['PATH'] } })
    t.match(stdout, /newInstance .*committed.*tenantSync .*committed.*authSync .*committed/s)
    t.equal(statSync(demo.envFile).mode & 0o777, 0o600, 'it holds the keys')
  })

  t.test('the operators\' console shows both enterprises', async (t) => {
    const { page } = await newVisitor(t, browser)
    const { host, port } = demo.config.listen.operator
    await page.goto(`http://${host}:${port}/`)
    for (const name of ['晨曦科技 Sunrise', '海蓝物流 Bluesea']) await page.getByText(name).first().waitFor()
  })

  t.test('a person signs in, reloads, opens a second tab, and signs out', async (t) => {
    const { context, page } = await newVisitor(t, browser)
    await signIn(page, demo, 'lihua@sunrise', 'lihua-2025', '/reports?x=1')
    await page.locator('#name').waitFor()
    t.equal(page.url(), `${publicUrl}/reports?x=1`, 'back where he wanted to go')
    t.equal(await page.locator('#name').textContent(), '李华')
    t.match(await page.locator('#tenant').textContent(), '晨曦科技 Sunrise')
    t.notMatch(await page.content(), '__Host-jointgate', 'the application never sees our cookie')

    await page.reload()
    t.equal(await page.locator('#name').textContent(), '李华')
    const tab = await context.newPage()
    await tab.goto(publicUrl)
    t.equal(await tab.locator('#name').textContent(), '李华')
    await tab.getByRole('button', { name: 'fetch' }).click()
    await tab.locator('#answer').waitFor()
    t.match(await tab.locator('#answer').textContent(), /HTTP 200[^]*"user": "lihua"/)

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL((url) => url.origin === publicUrl && url.pathname.startsWith('/_gate/'))
    await tab.goto(publicUrl)
    t.equal(await tab.locator('#name').count(), 0, 'the second tab is signed out too')
    await tab.goto(`${demo.world.unifiedLoginUrl}?ind=UNOP&appId=${demo.config.application.id}`)
    await tab.getByLabel('Password').waitFor()
    t.equal(await tab.getByRole('button', { name: 'Continue as' }).count(), 0, 'the marketplace has ended its session as well')
  })

  t.test('no return address of the corpus leads a browser off our own site (T-09)', async (t) => {
    const wishes = readFileSync(new URL('../corpora/open-redirects.txt', import.meta.url), 'utf8').split('\n')
      .filter((line) => line !== '' && !line.startsWith('# ')).map((line) => JSON.parse(`"${line}"`) as string)
    const { page } = await newVisitor(t, browser)
    await page.goto(publicUrl)
    const strays = (addresses: string[]): Promise<string[]> => page.evaluate((addresses) => addresses.filter((address) => {
      const link = document.createElement('a')
      link.href = address
      return link.origin !== location.origin
    }), addresses)
    t.ok((await strays(wishes)).length > 100, 'the browser itself would follow them')
    t.same(await strays(wishes.map((wish) => parseReturnTo(wish, '/_gate'))), [])
  })

  t.test('a member who removes himself finds the application closed at the next click', async (t) => {
    const { context, page } = await newVisitor(t, browser)
    await signIn(page, demo, 'wangwei@sunrise', 'wangwei-2025')
    await page.locator('#name').waitFor()
    await pressInConsole(context, demo, 'wangwei@sunrise', 'Remove')
    const answer = page.waitForResponse((response) => response.url() === `${publicUrl}/reports?x=1`)
    await page.getByRole('link', { name: 'Reports' }).click()
    t.equal((await answer).status(), 403)
    await page.getByText('authorisation-withdrawn').waitFor()
    t.equal(await page.locator('#name').count(), 0)
  })

  t.test('a fetch after the grant was taken back gets a problem body and no page', async (t) => {
    const { context, page } = await newVisitor(t, browser)
    await signIn(page, demo, 'chenjie@bluesea', 'chenjie-2025')
    await page.locator('#name').waitFor()
    await pressInConsole(context, demo, 'chenjie@bluesea', 'Take back')
    const answer = page.waitForResponse((response) => response.url() === `${publicUrl}/api/me`)
    await page.getByRole('button', { name: 'fetch' }).click()
    const response = await answer
    t.equal(response.status(), 403)
    t.match(response.headers()['content-type'], 'application/problem+json')
  })

  t.test('a member without a grant is refused by the gateway, a disabled one by the marketplace', async (t) => {
    const { page } = await newVisitor(t, browser)
    await signIn(page, demo, 'sunli@sunrise', 'sunli-2025')
    await page.getByText('account-not-authorised').waitFor()
    const other = await newVisitor(t, browser)
    await signIn(other.page, demo, 'zhaomin@sunrise', 'zhaomin-2025')
    await other.page.getByRole('alert').filter({ hasText: '账号已被禁用' }).waitFor()
  })

  t.test('a login that the marketplace began asks before it signs anybody in (T-11)', async (t) => {
    const { page } = await newVisitor(t, browser)
    await page.goto(demo.world.marketplace.login('lihua@sunrise', 'lihua-2025'))
    t.match(await page.locator('main').textContent(), '李华')
    await page.goto(publicUrl)
    t.equal(await page.locator('#name').count(), 0, 'nobody is signed in yet')
    await page.goto(demo.world.marketplace.login('lihua@sunrise', 'lihua-2025'))
    await page.locator('main').getByRole('button').first().click()
    await page.locator('#name').waitFor()
    t.equal(await page.locator('#name').textContent(), '李华')
  })

  t.test('who bypasses the gateway is turned away by the application', async (t) => {
    const { page } = await newVisitor(t, browser)
    const response = await page.goto(demo.world.applicationUrl)
    t.equal(response?.status(), 401)
    t.match(await page.locator('main').textContent(), 'assertion-missing')
  })
})
