import cookie from '@fastify/cookie'
import fc from 'fast-check'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { refusalReasons, statusOf } from '../../src/directory/refusal.ts'
import { assets } from '../../src/pages/assets.ts'
import { chooseLocale, locales } from '../../src/pages/choose-locale.ts'
import { createPages } from '../../src/pages/pages.ts'
import { rememberLocale, requestLocale } from '../../src/pages/request-locale.ts'
import { sendPage } from '../../src/pages/send-page.ts'
import { sendProblem } from '../../src/pages/send-problem.ts'
import type { SignInView } from '../../src/pages/views.ts'
import { cookieNames } from '../../src/session/cookies.ts'

const prefix = '/_gate'

t.test('the language is the one a person chose, else the one the browser wants (RFC 9110 §12.5.4)', async (t) => {
  const rows: ReadonlyArray<readonly [string | undefined, string]> = [
    [undefined, 'zh-CN'], ['', 'zh-CN'], ['*', 'zh-CN'], [';;,,', 'zh-CN'], ['en;q=1.5', 'zh-CN'], ['en;level=1', 'zh-CN'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh-CN'], ['en-US,en;q=0.9,zh-CN;q=0.8', 'en'],
    ['zh', 'zh-CN'], ['ZH-hant-TW', 'zh-CN'], ['EN-gb', 'en'],
    ['en;q=0.3, zh-HK;q=0.4', 'zh-CN'], ['en ; q=0.5 , zh;q=0.500', 'en'], ['zh;q=0.5,en;q=0.5', 'zh-CN'], ['fr', 'en'], ['ja,zh;q=0.1', 'zh-CN'],
    ['fr, *;q=0.1', 'en'], ['zh;q=0', 'zh-CN'], ['zh;q=0, *', 'en'], ['en;q=0, *', 'zh-CN'], ['*, en;q=0.9', 'zh-CN'],
    ['de, en;q=0', 'en'], ['zhx', 'en'],
  ]
  for (const [acceptLanguage, expected] of rows) t.equal(chooseLocale({ acceptLanguage }), expected, String(acceptLanguage))
  t.equal(chooseLocale({ query: 'en', cookie: 'zh-CN', acceptLanguage: 'zh' }), 'en', 'the switch wins')
  t.equal(chooseLocale({ query: 'fr', cookie: 'en', acceptLanguage: 'zh' }), 'en', 'then the cookie')
  t.equal(chooseLocale({ query: '__proto__', cookie: 'zh', acceptLanguage: 'en' }), 'en', 'what our switch never writes is no choice')
})

t.test('any header at all gives one of the two languages, and the heavier of the two is taken', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.string(), (acceptLanguage) => locales.includes(chooseLocale({ acceptLanguage })))))
  const weight = fc.integer({ min: 1, max: 1000 }).map((thousandths) => thousandths / 1000)
  t.doesNotThrow(() => fc.assert(fc.property(weight, weight, (chinese, english) => {
    fc.pre(chinese !== english)
    return chooseLocale({ acceptLanguage: `fr, en-GB;q=${english}, zh-TW;q=${chinese}` }) === (chinese > english ? 'zh-CN' : 'en')
  })))
})

async function serve (t: Test, publicUrl = 'https://app.example.com', formActions: SignInView['formActions'] = []) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(assets, { prefix })
  const pages = createPages({ prefix, applicationName: 'App', publicUrl })
  app.get<{ Querystring: { lang?: unknown } }>('/page', async (request, reply) => {
    rememberLocale(reply, request.query.lang)
    return sendPage(reply, 403, pages.signIn({ locale: requestLocale(request.headers, request.query.lang), returnTo: '/', formActions }))
  })
  for (const reason of refusalReasons) {
    for (const locale of locales) {
      app.get(`/problem/${reason}/${locale}`, async (_request, reply) =>
        sendProblem(reply, { because: { reason }, status: statusOf(reason), locale, supportCode: '7KQ2-M9XD', signInUrl: '/_gate/sign-in' }))
    }
  }
  app.get('/fault', async (_request, reply) =>
    sendProblem(reply, { because: { code: 'GW_STORAGE_UNAVAILABLE' }, status: 503, locale: 'en', supportCode: '7KQ2-M9XD' }))
  return app
}

t.test('a page goes out with the security headers and is never kept (C-8, C-61, T-47)', async (t) => {
  const app = await serve(t, 'https://app.example.com', ['https://login.example/unified/#/portal?ind=UNOP', 'https://login.example/other'])
  const { statusCode, headers } = await app.inject({ url: '/page', headers: { 'accept-language': 'en' } })
  t.equal(statusCode, 403)
  t.match(headers, {
    'content-type': 'text/html; charset=utf-8',
    'content-language': 'en',
    vary: 'Accept-Language, Cookie',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // It holds a form, whose Origin must not be null.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'strict-transport-security': 'max-age=31536000',
  })
  t.equal(headers['content-security-policy'], "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' https: https://login.example; frame-ancestors 'none'; base-uri 'none'")
})

t.test('over http there is no HSTS, and no address of a form can add a directive', async (t) => {
  const app = await serve(t, 'http://127.0.0.1:8080', ["https://login.example/; script-src 'unsafe-inline'"])
  const { headers } = await app.inject('/page')
  t.notOk('strict-transport-security' in headers)
  t.match(headers['content-security-policy'], "form-action 'self' https: https://login.example;")
  t.notMatch(headers['content-security-policy'], 'script-src')
  t.equal((await (await serve(t, 'https://app.example.com', ['no address'])).inject('/page')).statusCode, 500)
})

t.test('the language switch is remembered in a cookie of ours, and nothing else is written there', async (t) => {
  const app = await serve(t)
  const chosen = await app.inject({ url: '/page?lang=en', headers: { 'accept-language': 'zh' } })
  t.equal(chosen.headers['content-language'], 'en')
  t.match(chosen.headers['set-cookie'], /^__Host-jointgate-lang=en; Max-Age=31536000; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const later = await app.inject({ url: '/page', headers: { 'accept-language': 'zh', cookie: `a=b; ${cookieNames.language}=en` } })
  t.equal(later.headers['content-language'], 'en')
  for (const query of ['lang=fr', 'lang=en&lang=zh-CN', 'lang=en%0d%0aX:y', '']) {
    const { statusCode, headers } = await app.inject({ url: `/page?${query}`, headers: { 'accept-language': 'zh' } })
    t.strictSame([statusCode, headers['content-language'], headers['set-cookie']], [403, 'zh-CN', undefined], query)
  }
})

t.test('every refusal has a problem body with the literal and the support code, in two languages (RFC 9457)', async (t) => {
  const app = await serve(t)
  for (const reason of refusalReasons) {
    const [chinese, english] = await Promise.all(locales.map(async (locale) => app.inject(`/problem/${reason}/${locale}`)))
    for (const answer of [chinese, english]) {
      t.equal(answer?.statusCode, statusOf(reason))
      t.match(answer?.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      t.match(answer?.json(), {
        type: `urn:jointgate:refusal:${reason}`, title: String, detail: String, status: statusOf(reason), reason, supportCode: '7KQ2-M9XD', signInUrl: '/_gate/sign-in',
      })
    }
    t.not(chinese?.json().title, english?.json().title, reason)
    t.not(chinese?.json().detail, english?.json().detail, reason)
    t.equal(english?.headers['content-language'], 'en')
  }
})

t.test('a problem body names the way to renew, if there is one', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', async (_request, reply) => sendProblem(reply, {
    because: { reason: 'instance-expired' }, status: 403, locale: 'en', supportCode: '7KQ2-M9XD', renewUrl: 'https://shop.example.com/',
  }))
  t.match((await app.inject('/')).json(), { reason: 'instance-expired', renewUrl: 'https://shop.example.com/' })
})

t.test('a fault has a problem body with its code, and no sign-in address unless there is one', async (t) => {
  const answer = await (await serve(t)).inject('/fault')
  t.equal(answer.statusCode, 503)
  t.strictSame(answer.json(), {
    type: 'urn:jointgate:fault:GW_STORAGE_UNAVAILABLE',
    title: 'Briefly out of order',
    status: 503,
    detail: 'The sign-in service cannot read its data at the moment. You have not been signed out. Wait a moment and load the page again.',
    code: 'GW_STORAGE_UNAVAILABLE',
    supportCode: '7KQ2-M9XD',
  })
})

t.test('every file a page refers to is there, unchanging and of the right type', async (t) => {
  const app = await serve(t)
  const { body } = await app.inject('/page')
  const files = [...new Set([...body.matchAll(/(?:href|src)="(\/_gate\/assets\/[^"]+)"/g)].map(([, path = '']) => path))]
  t.equal(files.length, 2)
  for (const path of files) {
    t.match(path, /\/(gateway|mark)\.[\w-]{16}\.(css|svg)$/)
    const { statusCode, headers, body } = await app.inject(path)
    t.equal(statusCode, 200)
    t.equal(headers['content-type'], path.endsWith('.css') ? 'text/css; charset=utf-8' : 'image/svg+xml')
    t.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.notMatch(body, /url\(|@import|<script|http:\/\/(?!www\.w3\.org)/, 'loads nothing from anywhere')
  }
  t.equal((await app.inject('/_gate/assets/layout.eta')).statusCode, 404)
})
